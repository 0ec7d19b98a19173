/**
 * REST queries of a Retool app, from its `functions.rsx`. Base URLs, logins and default headers live in Retool's
 * resources, not in the app: see `withResources`.
 *
 * Queries of other kinds, transformers and event handlers other than "run that query" are listed as ignored.
 * @module
 */
import { invalid } from '../document.ts';
import { isList, isObject, type Json, objectOf, parseJson } from '../json.ts';
import type { Ignored, LowCodeCall, LowCodeClient, NamedTemplate, RunAfter, Step, StepStatus } from '../model.ts';
import { TemplateCheck } from '../templates.ts';
import { readMethod } from './method.ts';
import { parseRsx, type RsxAttribute, type RsxElement } from './rsx-syntax.ts';

/** Elements that only hold others. */
const CONTAINERS: ReadonlySet<string> = new Set(['GlobalFunctions', 'App', 'Folder', 'Fragment']);
const WITHOUT_RESOURCE = 'REST-WithoutResource';
/** Attributes that change what is sent or when, and that are not modelled. */
const UNMODELLED = [
  'transformer',
  'errorTransformer',
  'queryDisabled',
  'cookies',
  'paginationEnabled',
  'queryFailureConditions',
];

/** @throws MeshError `ERR_LOWCODE_INVALID` */
export function readRetoolRsx(text: string, file: string, app: string): LowCodeClient {
  const ignored: Ignored[] = [];
  const check = new TemplateCheck('mustache', { lenient: ignored });
  const queries = queriesIn(parseRsx(text, file), ignored);
  const ids = new Set<string>();
  for (const query of queries) {
    const id = idOf(query);
    if (ids.has(id)) throw invalid(`query \`${id}\` exists twice`, query.position);
    ids.add(id);
  }
  const waits = waitsOf(queries, ids, ignored);
  const steps = queries.map((query): Step => {
    const runAfter = waits.get(idOf(query)) ?? [];
    const call = readQuery(query, runAfter, { check, ignored });
    return { kind: 'call', id: call.id, runAfter, source: query.position, call };
  });
  return {
    tool: 'retool',
    app,
    dialect: 'mustache',
    calls: steps.flatMap((step) => (step.kind === 'call' ? [step.call] : [])),
    steps,
    parameters: [],
    resources: [],
    secrets: check.secrets,
    ignored,
  };
}

function queriesIn(elements: readonly RsxElement[], ignored: Ignored[]): readonly RsxElement[] {
  return elements.flatMap((element) => {
    if (element.name === 'RESTQuery') return [element];
    if (CONTAINERS.has(element.name)) return queriesIn(element.children, ignored);
    const id = textOf(element, 'id');
    ignored.push({ what: `\`<${element.name}>\`${id === undefined ? '' : ` \`${id}\``}`, where: element.position });
    return [];
  });
}

function idOf(query: RsxElement): string {
  const id = textOf(query, 'id');
  if (id === undefined || id === '') throw invalid('a query has no `id`', query.position);
  return id;
}

/** Queries that other queries start when they have ended. */
function waitsOf(
  queries: readonly RsxElement[],
  ids: ReadonlySet<string>,
  ignored: Ignored[],
): ReadonlyMap<string, readonly RunAfter[]> {
  const waits = new Map<string, readonly RunAfter[]>();
  for (const query of queries) {
    for (const event of query.children) {
      const target = textOf(event, 'pluginId') ?? '';
      const status = STATUS_OF_EVENT.get(textOf(event, 'event') ?? '');
      const wait: RunAfter = {
        step: idOf(query),
        statuses: status === undefined ? [] : [status],
        source: event.position,
      };
      const isTrigger = event.name === 'Event' && textOf(event, 'method') === 'trigger' && ids.has(target);
      const before = waits.get(target) ?? [];
      if (!isTrigger || status === undefined) {
        ignored.push({ what: `\`<${event.name}>\` of query \`${idOf(query)}\``, where: event.position });
      } else if (closesCircle(waits, wait.step, target)) {
        ignored.push({
          what: `\`${wait.step}\` starting \`${target}\` again, which started it`,
          where: event.position,
        });
      } else waits.set(target, [...before, wait]);
    }
  }
  return waits;
}

const STATUS_OF_EVENT: ReadonlyMap<string, StepStatus> = new Map([
  ['success', 'Succeeded'],
  ['failure', 'Failed'],
]);

function closesCircle(waits: ReadonlyMap<string, readonly RunAfter[]>, from: string, to: string): boolean {
  const pending = [from];
  const seen = new Set<string>();
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (id === to) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    pending.push(...(waits.get(id) ?? []).map(({ step }) => step));
  }
  return false;
}

interface QueryContext {
  readonly check: TemplateCheck;
  readonly ignored: Ignored[];
}

function readQuery(query: RsxElement, runAfter: readonly RunAfter[], { check, ignored }: QueryContext): LowCodeCall {
  const id = idOf(query);
  const position = (name: string): RsxAttribute['position'] => query.attributes.get(name)?.position ?? query.position;
  for (const name of UNMODELLED) {
    if (isUsed(query, name)) ignored.push({ what: `\`${name}\` of query \`${id}\``, where: position(name) });
  }
  for (const [name, attribute] of query.attributes) {
    if (attribute.value === undefined && MEANINGFUL.has(name)) {
      ignored.push({ what: `\`${name}\` of query \`${id}\`, which is code`, where: attribute.position });
    }
  }
  const url = textOf(query, 'query') ?? '';
  check.text(url, position('query'));
  const body = readBody(query, ignored);
  if (body !== undefined) check.value(body, position('body'));
  const headers = pairsOf(query, 'headers', ignored);
  for (const header of headers) check.value(header.value, header.source);
  const resource = textOf(query, 'resourceDisplayName') ?? textOf(query, 'resourceName') ?? WITHOUT_RESOURCE;
  const timeoutMs = Number(query.attributes.get('queryTimeout')?.value ?? Number.NaN);
  return {
    id,
    method: readMethod(textOf(query, 'type') ?? 'GET', position('type')),
    url,
    urlSource: position('query'),
    ...(textOf(query, 'resourceName') === WITHOUT_RESOURCE || resource === WITHOUT_RESOURCE ? {} : { resource }),
    headers,
    query: [],
    ...(body === undefined ? {} : { body }),
    ...(Number.isFinite(timeoutMs) && timeoutMs > 0 ? { timeoutMs } : {}),
    on: startOf(query, runAfter),
    after: runAfter.map(({ step }) => step),
    source: query.position,
  };
}

const MEANINGFUL: ReadonlySet<string> = new Set(['query', 'headers', 'body', 'type', 'bodyType', 'resourceName']);

/** A query runs when the page opens unless it is told to wait for an event. */
function startOf(query: RsxElement, runAfter: readonly RunAfter[]): LowCodeCall['on'] {
  const refresh = query.attributes.get('queryRefreshTime')?.value;
  if (query.attributes.get('runWhenPageLoads')?.value === true) return 'load';
  if (typeof refresh === 'string' && Number(refresh) > 0) return 'schedule';
  const manual = query.attributes.get('runWhenModelUpdates')?.value === false;
  return manual || runAfter.length > 0 ? 'event' : 'load';
}

function isUsed(query: RsxElement, name: string): boolean {
  const switchedBy = { transformer: 'enableTransformer', errorTransformer: 'enableErrorTransformer' }[name];
  if (switchedBy !== undefined) return query.attributes.get(switchedBy)?.value === true;
  const attribute = query.attributes.get(name);
  return attribute !== undefined && !['', false, null, '[]'].some((blank) => blank === attribute.value);
}

function readBody(query: RsxElement, ignored: Ignored[]): Json | undefined {
  const type = textOf(query, 'bodyType') ?? 'none';
  const body = query.attributes.get('body');
  if (body === undefined || body.value === '' || body.value === undefined || type === 'none') return undefined;
  if (type === 'raw') return body.value;
  if (type === 'json')
    return objectOf(pairsOf(query, 'body', ignored).map(({ name, value }) => [name, value] as const));
  ignored.push({ what: `a body of type \`${type}\``, where: body.position });
  return undefined;
}

/** `[{"key": …, "value": …}]`, mostly as text. */
function pairsOf(query: RsxElement, name: string, ignored: Ignored[]): readonly NamedTemplate[] {
  const attribute = query.attributes.get(name);
  const written = attribute?.value;
  if (attribute === undefined || written === undefined || written === '' || written === null) return [];
  let list: Json = written;
  if (typeof written === 'string') {
    try {
      list = parseJson(written);
    } catch {
      list = null;
    }
  }
  if (!isList(list)) {
    ignored.push({ what: `\`${name}\` of query \`${idOf(query)}\`, which is not a list`, where: attribute.position });
    return [];
  }
  return list.flatMap((pair) =>
    isObject(pair) && typeof pair['key'] === 'string' && pair['key'] !== ''
      ? [{ name: pair['key'], value: pair['value'] ?? '', source: attribute.position }]
      : [],
  );
}

function textOf(element: RsxElement, name: string): string | undefined {
  const value = element.attributes.get(name)?.value;
  return typeof value === 'string' ? value : undefined;
}
