/**
 * Operations of an OpenAPI 3 document: Mendix and OutSystems keep their own models in binary files, but both call REST
 * services by importing such a document.
 *
 * Every operation becomes a call. `{id}` in a path and required parameters take their values from what the caller
 * provides under those names; a JSON body is what is provided as `body`. References, security schemes and schemas are
 * listed as ignored.
 * @module
 */
import { type DocumentEntry, type DocumentMap, invalid } from '../document.ts';
import { Fields } from '../fields.ts';
import type { Ignored, LowCodeCall, LowCodeClient, LowCodeResource, NamedTemplate } from '../model.ts';
import { METHODS } from './method.ts';

/** @throws MeshError `ERR_LOWCODE_INVALID` */
export function readOpenApi(document: DocumentMap, app: string): LowCodeClient {
  const ignored: Ignored[] = [];
  const root = new Fields(document, 'an OpenAPI document');
  const version = root.needText('openapi');
  if (!version.startsWith('3.')) throw invalid(`OpenAPI \`${version}\` is not supported: 3.x is`, root.position);
  const info = root.get('info');
  const title = info?.kind === 'map' ? new Fields(info, 'the info').text('title') : undefined;
  const [server, ...others] = root.list('servers');
  for (const { position } of others) ignored.push({ what: 'a further server', where: position });
  if (server === undefined) throw invalid('an OpenAPI document needs a server to say where calls go', root.position);
  const baseUrl = new Fields(server, 'a server').needText('url');
  if (/[{}]/.test(baseUrl)) throw invalid('a server with variables is not supported', server.position);
  const name = title ?? app;
  const resource: LowCodeResource = { type: 'rest_api', name, baseUrl, headers: [], source: server.position };
  const calls = root.entries('paths').flatMap((path) => readPath(path, name, ignored));
  root.skip('tags', 'externalDocs', 'jsonSchemaDialect');
  root.ignoreRest(ignored);
  const seen = new Set<string>();
  for (const { id, source } of calls) {
    if (seen.has(id)) throw invalid(`operation \`${id}\` exists twice`, source);
    seen.add(id);
  }
  return {
    tool: 'openapi',
    app: name,
    dialect: 'mustache',
    calls,
    steps: calls.map((call) => ({ kind: 'call', id: call.id, runAfter: [], source: call.source, call })),
    parameters: [],
    resources: [resource],
    secrets: [],
    ignored,
  };
}

function readPath({ key: path, value }: DocumentEntry, resource: string, ignored: Ignored[]): readonly LowCodeCall[] {
  const fields = new Fields(value, `path \`${path}\``);
  const shared = readParameters(fields, ignored);
  const calls = METHODS.flatMap((method): readonly LowCodeCall[] => {
    const entry = fields.entry(method.toLowerCase());
    if (entry === undefined) return [];
    const operation = new Fields(entry.value, `${method} \`${path}\``);
    const own = readParameters(operation, ignored);
    const id = operation.text('operationId') ?? `${method} ${path}`;
    const body = operation.get('requestBody');
    operation.skip('summary', 'description', 'tags', 'responses', 'deprecated', 'externalDocs');
    operation.ignoreRest(ignored);
    return [
      {
        id,
        method,
        url: path.replaceAll(/\{([^{}]+)\}/g, (_, name: string) => `{{ encodeURIComponent(${reference(name)}) }}`),
        urlSource: entry.keyPosition,
        resource,
        headers: [...shared.headers, ...own.headers],
        query: [...shared.query, ...own.query],
        ...(body === undefined ? {} : { body: '{{ body }}' }),
        on: 'event',
        after: [],
        source: entry.keyPosition,
      },
    ];
  });
  fields.skip('summary', 'description');
  fields.ignoreRest(ignored);
  return calls;
}

interface Parameters {
  readonly headers: readonly NamedTemplate[];
  readonly query: readonly NamedTemplate[];
}

function readParameters(fields: Fields, ignored: Ignored[]): Parameters {
  const headers: NamedTemplate[] = [];
  const query: NamedTemplate[] = [];
  for (const node of fields.list('parameters')) {
    const parameter = new Fields(node, 'a parameter');
    if (parameter.has('$ref')) {
      ignored.push({ what: `a parameter by reference of ${fields.what}`, where: node.position });
      continue;
    }
    const name = parameter.needText('name');
    const place = parameter.needText('in');
    const required = parameter.get('required');
    const template: NamedTemplate = { name, value: `{{ ${reference(name)} }}`, source: node.position };
    if (place === 'path') continue;
    if (required?.kind !== 'scalar' || required.value !== true || place === 'cookie') {
      ignored.push({ what: `${place} parameter \`${name}\` of ${fields.what}`, where: node.position });
    } else if (place === 'header') headers.push(template);
    else if (place === 'query') query.push(template);
    else throw invalid(`a parameter cannot be in \`${place}\``, node.position);
  }
  return { headers, query };
}

/** A name of the template language: `order-id` becomes `order_id`. */
function reference(name: string): string {
  return name.replaceAll(/\W/g, '_').replace(/^(\d)/, '_$1');
}
