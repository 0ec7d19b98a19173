/**
 * REST queries of an Appsmith application: the one-file export (`actionList`), or one query's `metadata.json` of the
 * git layout.
 *
 * Widgets, JavaScript objects, queries of other plugins and logins of data sources are listed as ignored.
 * @module
 */
import { type DocumentMap, type DocumentNode, invalid, jsonOf } from '../document.ts';
import { Fields } from '../fields.ts';
import type { Ignored, LowCodeCall, LowCodeClient, LowCodeResource, NamedTemplate, Step } from '../model.ts';
import { TemplateCheck } from '../templates.ts';
import { readMethod } from './method.ts';

const REST_PLUGIN = 'restapi-plugin';
const TIMEOUT_MAX_MS = 3_600_000;

/** Whether a document is an Appsmith export or a query of one. */
export function isAppsmith(keys: ReadonlySet<string>): boolean {
  return keys.has('actionList') || keys.has('unpublishedAction');
}

/** @throws MeshError `ERR_LOWCODE_INVALID` */
export function readAppsmith(document: DocumentMap, app: string): LowCodeClient {
  const ignored: Ignored[] = [];
  const context: Context = { ignored, check: new TemplateCheck('mustache', { lenient: ignored }) };
  const root = new Fields(document, 'an Appsmith export');
  const application = root.get('exportedApplication');
  const name = application?.kind === 'map' ? new Fields(application, 'the application').text('name') : undefined;
  const resources = root.list('datasourceList').flatMap((node) => readDatasource(node, context));
  const nodes = root.has('actionList') ? root.list('actionList') : [document];
  const steps = nodes.flatMap((node) => readAction(node, context));
  root.skip('clientSchemaVersion', 'serverSchemaVersion', 'artifactJsonType', 'modifiedResources', 'updatedResources');
  root.skip('unpublishedAction', 'publishedAction', 'id', 'gitSyncId', 'pluginId', 'pluginType', 'deleted');
  root.ignoreRest(ignored);
  const seen = new Set<string>();
  for (const { id, source } of steps) {
    if (seen.has(id)) throw invalid(`query \`${id}\` exists twice`, source);
    seen.add(id);
  }
  return {
    tool: 'appsmith',
    app: name ?? app,
    dialect: 'mustache',
    calls: steps.flatMap((step) => (step.kind === 'call' ? [step.call] : [])),
    steps,
    parameters: [],
    resources,
    secrets: context.check.secrets,
    ignored,
  };
}

interface Context {
  readonly ignored: Ignored[];
  readonly check: TemplateCheck;
}

function readDatasource(node: DocumentNode, context: Context): readonly LowCodeResource[] {
  const fields = new Fields(node, 'a data source');
  const name = fields.needText('name');
  if (fields.text('pluginId') !== REST_PLUGIN) {
    context.ignored.push({ what: `data source \`${name}\``, where: fields.position });
    return [];
  }
  const configuration = fields.get('datasourceConfiguration');
  if (configuration === undefined) return [];
  const inner = new Fields(configuration, `data source \`${name}\``);
  const baseUrl = inner.text('url') ?? '';
  const headers = pairs(inner, 'headers', context);
  inner.skip('properties', 'isSshProxy', 'sshProxyEnabled');
  inner.ignoreRest(context.ignored);
  context.check.text(baseUrl, inner.position);
  return [{ type: 'rest_api', name, baseUrl, headers, source: fields.position }];
}

function readAction(node: DocumentNode, context: Context): readonly Step[] {
  const outer = new Fields(node, 'a query');
  const unpublished = outer.get('unpublishedAction') ?? outer.get('publishedAction');
  if (unpublished === undefined) throw invalid('a query has no `unpublishedAction`', outer.position);
  const fields = new Fields(unpublished, 'a query');
  const id = fields.needText('name');
  const source = fields.position;
  if ((outer.text('pluginId') ?? REST_PLUGIN) !== REST_PLUGIN) {
    context.ignored.push({ what: `query \`${id}\` of plugin \`${outer.text('pluginId') ?? ''}\``, where: source });
    return [];
  }
  const configuration = new Fields(fields.need('actionConfiguration'), `query \`${id}\``);
  const body = configuration.get('body');
  if (body !== undefined) context.check.node(body);
  const timeoutMs = configuration.integer('timeoutInMillisecond', 1, TIMEOUT_MAX_MS);
  const path = configuration.text('path') ?? '';
  const urlSource = configuration.get('path')?.position ?? source;
  const target = readTarget(fields, context);
  const url = target.baseUrl === undefined ? path : target.baseUrl + path;
  context.check.text(url, urlSource);
  const call: LowCodeCall = {
    id,
    method: readMethod(configuration.text('httpMethod') ?? 'GET', configuration.position),
    url,
    urlSource,
    ...(target.resource === undefined ? {} : { resource: target.resource }),
    headers: [...target.headers, ...pairs(configuration, 'headers', context)],
    query: pairs(configuration, 'queryParameters', context),
    ...(isEmpty(body) || body === undefined ? {} : { body: jsonOf(body) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    on: startOf(fields),
    after: [],
    source,
  };
  configuration.skip('encodeParamsToggle', 'paginationType', 'pluginSpecifiedTemplates', 'autoGeneratedHeaders');
  configuration.skip('httpVersion', 'bodyFormData', 'formData', 'selfReferencingDataPaths');
  configuration.ignoreRest(context.ignored);
  return [{ kind: 'call', id, runAfter: [], source, call }];
}

interface Target {
  readonly baseUrl?: string;
  readonly resource?: string;
  readonly headers: readonly NamedTemplate[];
}

/** A data source is either written into the query or named by it. */
function readTarget(action: Fields, context: Context): Target {
  const node = action.get('datasource');
  if (node === undefined) return { headers: [] };
  const datasource = new Fields(node, 'a data source');
  const configuration = datasource.get('datasourceConfiguration');
  if (configuration !== undefined) {
    const inner = new Fields(configuration, 'a data source');
    const baseUrl = inner.text('url');
    if (baseUrl !== undefined) return { baseUrl, headers: pairs(inner, 'headers', context) };
  }
  const resource = datasource.text('name') ?? datasource.text('id');
  return { headers: [], ...(resource === undefined ? {} : { resource }) };
}

function startOf(fields: Fields): LowCodeCall['on'] {
  const onLoad = fields.get('executeOnLoad');
  const behaviour = fields.text('runBehaviour');
  const loads = behaviour === 'ON_PAGE_LOAD' || behaviour === 'AUTOMATIC';
  return loads || (onLoad?.kind === 'scalar' && onLoad.value === true) ? 'load' : 'event';
}

function isEmpty(node: DocumentNode | undefined): boolean {
  return node?.kind === 'scalar' && (node.value === null || node.value === '');
}

/** `[{ "key": …, "value": … }]`; rows without a key are left over from the editor. */
function pairs(fields: Fields, name: string, { check }: Context): readonly NamedTemplate[] {
  const node = fields.get(name);
  if (node === undefined || isEmpty(node)) return [];
  return fields.list(name).flatMap((item): readonly NamedTemplate[] => {
    const row = new Fields(item, `a row of \`${name}\``);
    const key = row.text('key') ?? '';
    const value = row.get('value');
    if (key === '') return [];
    if (value !== undefined) check.node(value);
    return [{ name: key, value: value === undefined ? '' : jsonOf(value), source: row.position }];
  });
}
