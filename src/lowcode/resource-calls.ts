/**
 * Calls on the resources of a client, for exports that hold connections but no queries, and resources for apps that
 * hold queries but no connections.
 * @module
 */
import { didYouMean, MeshError } from '../core/index.ts';
import type { SourcePosition } from '../istio/index.ts';
import type { Json } from './json.ts';
import { callsOf, type LowCodeCall, type LowCodeClient, type NamedTemplate, type Step } from './model.ts';
import { readMethod } from './readers/method.ts';
import { TemplateCheck } from './templates.ts';

/** A call on a resource of a client, as its screens would make it. */
export interface ResourceRequest {
  /** Name of a `rest_api` resource. */
  readonly resource: string;
  readonly method: string;
  /** Relative to the resource's base URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Json;
  /** @defaultValue `METHOD path` */
  readonly id?: string;
}

/**
 * The client with these calls added. They do not wait for each other: a refused one stops nothing.
 * @throws MeshError `ERR_LOWCODE_INVALID` for a resource the client does not have, `ERR_EXPRESSION` for a bad template
 */
export function withRequests(client: LowCodeClient, requests: readonly ResourceRequest[]): LowCodeClient {
  const check = new TemplateCheck(client.dialect);
  const taken = new Set(client.steps.map(({ id }) => id));
  const added = requests.map((request): Step => {
    const call = callOf(client, request, check);
    let id = call.id;
    for (let copy = 2; taken.has(id); copy++) id = `${call.id} (${copy})`;
    taken.add(id);
    return { kind: 'call', id, runAfter: [], source: call.source, call: { ...call, id } };
  });
  const steps = [...client.steps, ...added];
  const secrets = [...new Set([...client.secrets, ...check.secrets])].toSorted();
  return { ...client, steps, calls: callsOf(steps), secrets };
}

/** The client with the resources of another one, such as an app with those of its configuration. */
export function withResources(client: LowCodeClient, from: LowCodeClient): LowCodeClient {
  const names = new Set(client.resources.map(({ name }) => name));
  return {
    ...client,
    resources: [...client.resources, ...from.resources.filter(({ name }) => !names.has(name))],
    secrets: [...new Set([...client.secrets, ...from.secrets])].toSorted(),
    ignored: [...client.ignored, ...from.ignored],
  };
}

function callOf(client: LowCodeClient, request: ResourceRequest, check: TemplateCheck): LowCodeCall {
  const resource = client.resources.find(({ name }) => name === request.resource);
  if (resource === undefined || resource.type !== 'rest_api') {
    const known = client.resources.filter(({ type }) => type === 'rest_api').map(({ name }) => name);
    throw new MeshError(
      'ERR_LOWCODE_INVALID',
      `\`${client.app}\` has no REST API \`${request.resource}\`${didYouMean(request.resource, known)}`,
    );
  }
  const source: SourcePosition = resource.source;
  const method = readMethod(request.method, source);
  const headers = Object.entries(request.headers ?? {}).map(([name, value]): NamedTemplate => ({
    name,
    value,
    source,
  }));
  for (const text of [request.path, ...headers.map(({ value }) => value), request.body]) {
    check.value(text ?? null, source);
  }
  return {
    id: request.id ?? `${method} ${request.path}`,
    method,
    url: request.path,
    urlSource: source,
    resource: resource.name,
    headers,
    query: [],
    ...(request.body === undefined ? {} : { body: request.body }),
    on: 'event',
    after: [],
    source,
  };
}
