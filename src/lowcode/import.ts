/**
 * Reads an export of a low-code tool, whichever it is: the format is told by what the text holds, not by its name.
 * @module
 */
import { didYouMean } from '../core/index.ts';
import { type DocumentMap, invalid, readDocument } from './document.ts';
import type { LowCodeClient } from './model.ts';
import { isAppsmith, readAppsmith } from './readers/appsmith.ts';
import { isLogicApp, readLogicApp } from './readers/logic-apps.ts';
import { readOpenApi } from './readers/openapi.ts';
import { readPowerAutomateYaml } from './readers/power-automate-yaml.ts';
import { readRetoolResources } from './readers/retool-resources.ts';
import { readRetoolRsx } from './readers/retool-rsx.ts';

export interface ImportOptions {
  /** For positions and, without its folder and extension, the app's name where the export has none. @defaultValue `input` */
  readonly file?: string;
  /** The app's name. */
  readonly app?: string;
}

interface Format {
  readonly what: string;
  readonly matches: (keys: ReadonlySet<string>, document: DocumentMap) => boolean;
  readonly read: (document: DocumentMap, app: string) => LowCodeClient;
}

const FORMATS: readonly Format[] = [
  { what: '`openapi` (Mendix, OutSystems)', matches: (keys) => keys.has('openapi'), read: readOpenApi },
  { what: '`actionList` (Appsmith)', matches: isAppsmith, read: readAppsmith },
  {
    what: '`definition` (Power Automate, Logic Apps)',
    matches: (_, document) => isLogicApp(document),
    read: readLogicApp,
  },
  { what: '`resources` (Retool)', matches: (keys) => keys.has('resources'), read: readRetoolResources },
  {
    what: '`workflow` (Power Automate, by hand)',
    matches: (keys) => keys.has('workflow'),
    read: readPowerAutomateYaml,
  },
];

/** Keys that tell a format, for a slip of the pen in one of them. */
const TELLING_KEYS = ['resources', 'workflow', 'definition', 'properties', 'actions', 'actionList', 'openapi'];

/**
 * Reads one export.
 * @throws MeshError `ERR_LOWCODE_INVALID` where the file is not one, `ERR_EXPRESSION` where a template in it is
 * malformed; both with `file`, `line` and `column` in `details`
 */
export function importLowCode(text: string, options: ImportOptions = {}): LowCodeClient {
  const file = options.file ?? 'input';
  const app = options.app ?? file.replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '');
  if (/^\s*</.test(text)) return readRetoolRsx(text, file, app);
  const document = readDocument(text, file);
  if (document.kind !== 'map') throw invalid('a low-code export must be a mapping', document.position);
  const keys = new Set(document.entries.map(({ key }) => key));
  const format = FORMATS.find((candidate) => candidate.matches(keys, document));
  if (format !== undefined) return format.read(document, app);
  const [first] = document.entries;
  const hint = first === undefined ? '' : didYouMean(first.key, TELLING_KEYS);
  throw invalid(
    `this is no low-code export that is known${hint || `; one has ${FORMATS.map(({ what }) => what).join(', ')}`}`,
    first?.keyPosition ?? document.position,
  );
}
