/**
 * What counts as a file of manifests, and its bytes as text.
 * @module
 */
import { ConfigError } from '../istio/config-error.ts';
import type { SourceText } from '../istio/yaml-reader.ts';

const MANIFEST = /\.(?:ya?ml|json)$/;
/** Folders that hold no manifests of their owner: what tools keep to themselves, and packages of others. */
const FOREIGN = /(?:^|[/\\])(?:\.[^/\\]+|node_modules)(?:[/\\]|$)/;

/** Whether a file at `path`, relative to the folder that was named, is looked into. */
export function isManifestPath(path: string): boolean {
  return MANIFEST.test(path) && !FOREIGN.test(path);
}

/** The text of a file. @throws ConfigError with the place of the first byte that is not UTF-8 */
export function manifestText(origin: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([{ code: 'ERR_CONFIG_SYNTAX', path: '', file: origin, ...encodingFault(bytes) }]);
  }
}

function encodingFault(bytes: Uint8Array): {
  readonly line: number;
  readonly column: number;
  readonly message: string;
} {
  const mark =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'LE' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'BE' : undefined;
  if (mark !== undefined) return { line: 1, column: 1, message: `the text is UTF-16 ${mark}; save it as UTF-8` };
  const before = new TextDecoder().decode(bytes.subarray(0, firstFault(bytes))).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, message: 'the text is not UTF-8 here' };
}

/** The index of the first byte that another encoding of the decoded text does not repeat. */
function firstFault(bytes: Uint8Array): number {
  const again = new TextEncoder().encode(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  const index = bytes.findIndex((byte, at) => byte !== again[at]);
  return index < 0 ? bytes.length : index;
}

/** A file somebody named, or one that was met in a folder. */
export function manifestSource(origin: string, bytes: Uint8Array, named: boolean): SourceText {
  return { origin, text: manifestText(origin, bytes), ...(named ? {} : { found: true }) };
}
