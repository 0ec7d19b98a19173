/**
 * Flows of Power Automate and Logic Apps as they are exported: a Workflow Definition Language definition by itself, in
 * `{ definition, parameters }`, or in `{ properties: { definition } }` of a solution.
 *
 * Modelled: HTTP calls, conditions, loops, scopes, variables, composing and parsing. Connectors, child workflows and
 * anything else is listed as ignored; such a step is skipped in a run unless its result is given.
 * Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-definition-language
 * @module
 */
import { type DocumentEntry, type DocumentMap, type DocumentNode, jsonOf } from '../document.ts';
import { Fields } from '../fields.ts';
import { callsOf, type CallTrigger, type FlowParameter, type Ignored, type LowCodeClient } from '../model.ts';
import { TemplateCheck } from '../templates.ts';
import { ActionReader } from './logic-apps-actions.ts';

/** Whether a document is a workflow definition in one of its wrappers. */
export function isLogicApp(document: DocumentMap): boolean {
  return definitionOf(document) !== undefined;
}

/** @throws MeshError `ERR_LOWCODE_INVALID`, `ERR_EXPRESSION` */
export function readLogicApp(document: DocumentMap, app: string): LowCodeClient {
  const ignored: Ignored[] = [];
  const { definition, outer, name } = unwrap(document, ignored);
  const fields = new Fields(definition ?? document, 'the definition');
  fields.skip('$schema', 'contentVersion', 'description', 'metadata');
  const parameters = readParameters(fields.entries('parameters'), outer, ignored);
  const trigger = readTrigger(fields.entries('triggers'), ignored);
  const secureParameters = parameters.flatMap(({ name: parameter, secure }) => (secure ? [parameter] : []));
  const check = new TemplateCheck('wdl', { secureParameters, unmodelled: ignored });
  const reader = new ActionReader({ check, ignored, on: trigger.on });
  const steps = reader.group(fields.entries('actions'));
  for (const { key, keyPosition } of fields.entries('outputs')) {
    ignored.push({ what: `output \`${key}\``, where: keyPosition });
  }
  fields.ignoreRest(ignored);
  return {
    tool: 'power-automate',
    app: name ?? app,
    dialect: 'wdl',
    ...(trigger.text === undefined ? {} : { trigger: trigger.text }),
    calls: callsOf(steps),
    steps,
    parameters,
    resources: [],
    secrets: check.secrets,
    ignored,
  };
}

interface Unwrapped {
  readonly definition: DocumentMap | undefined;
  /** Values of parameters, written beside the definition. */
  readonly outer: readonly DocumentEntry[];
  readonly name?: string;
}

function member(map: DocumentMap, key: string): DocumentNode | undefined {
  return map.entries.find((entry) => entry.key === key)?.value;
}

function definitionOf(document: DocumentMap): DocumentMap | undefined {
  const properties = member(document, 'properties');
  const holder = properties?.kind === 'map' ? properties : document;
  const inner = member(holder, 'definition');
  if (inner?.kind === 'map' && member(inner, 'actions') !== undefined) return inner;
  const schema = member(document, '$schema');
  const isDefinition = schema?.kind === 'scalar' && String(schema.value).includes('Microsoft.Logic');
  return (isDefinition || member(document, 'triggers') !== undefined) && member(document, 'actions') !== undefined
    ? document
    : undefined;
}

function unwrap(document: DocumentMap, ignored: Ignored[]): Unwrapped {
  const definition = definitionOf(document);
  if (definition === document) return { definition, outer: [] };
  const properties = member(document, 'properties');
  const layers = properties?.kind === 'map' ? [document, properties] : [document];
  let outer: readonly DocumentEntry[] = [];
  let name: string | undefined;
  for (const layer of layers) {
    const fields = new Fields(layer, 'the export');
    fields.skip('properties', 'definition', 'schemaVersion', 'id', 'type', 'apiId', 'state', 'tags', 'location');
    fields.skip('kind', '$schema', 'contentVersion', 'createdTime', 'lastModifiedTime', 'templateName');
    name = textOf(fields.get('displayName')) ?? name ?? textOf(fields.get('name'));
    if (fields.has('parameters')) outer = fields.entries('parameters');
    for (const { key, keyPosition } of fields.entries('connectionReferences')) {
      ignored.push({ what: `connection \`${key}\``, where: keyPosition });
    }
    fields.ignoreRest(ignored);
  }
  return { definition, outer, ...(name === undefined ? {} : { name }) };
}

function textOf(node: DocumentNode | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

function readParameters(
  declared: readonly DocumentEntry[],
  outer: readonly DocumentEntry[],
  ignored: Ignored[],
): readonly FlowParameter[] {
  return declared.flatMap(({ key, keyPosition, value }): readonly FlowParameter[] => {
    if (key === '$connections' || key === '$authentication') {
      ignored.push({ what: `parameter \`${key}\` (connectors and their logins)`, where: keyPosition });
      return [];
    }
    const fields = new Fields(value, `parameter \`${key}\``);
    fields.skip('metadata', 'description', 'allowedValues');
    const secure = /^secure(string|object)$/i.test(fields.needText('type'));
    const given = outer.find((entry) => entry.key === key)?.value;
    const written = given?.kind === 'map' ? member(given, 'value') : undefined;
    const node = written ?? fields.get('defaultValue');
    fields.ignoreRest(ignored);
    if (secure) return [{ name: key, secure, ...(isBlank(node) ? {} : { plainAt: node?.position ?? keyPosition }) }];
    return [{ name: key, secure, ...(node === undefined ? {} : { value: jsonOf(node) }) }];
  });
}

/** Nothing, or an expression that fetches the value from elsewhere. */
function isBlank(node: DocumentNode | undefined): boolean {
  if (node === undefined) return true;
  if (node.kind === 'map') return node.entries.length === 0;
  return node.kind === 'scalar' && (node.value === null || node.value === '' || String(node.value).startsWith('@'));
}

function readTrigger(
  entries: readonly DocumentEntry[],
  ignored: Ignored[],
): { readonly on: CallTrigger; readonly text?: string } {
  const [first, ...others] = entries;
  for (const { key, keyPosition } of others) ignored.push({ what: `trigger \`${key}\``, where: keyPosition });
  if (first === undefined) return { on: 'event' };
  const fields = new Fields(first.value, `trigger \`${first.key}\``);
  const type = fields.needText('type');
  if (fields.has('conditions')) {
    ignored.push({
      what: `conditions of trigger \`${first.key}\``,
      where: fields.entry('conditions')?.keyPosition ?? first.keyPosition,
    });
  }
  return { on: /^(recurrence|slidingwindow)$/i.test(type) ? 'schedule' : 'event', text: `${first.key} (${type})` };
}
