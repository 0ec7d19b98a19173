/**
 * One call of a run: from templates to what is sent, and from the answer to what later templates see.
 * @module
 */
import { InvariantError, messageOf, MeshError } from '../core/index.ts';
import { finding } from './finding.ts';
import { hasDotSegments, isGateway } from './gateway.ts';
import { type Json, objectOf, parseJson, toJson, typeName } from './json.ts';
import type { CallAuth, LowCodeCall, LowCodeResource, NamedTemplate, StepStatus } from './model.ts';
import type { RunState } from './run-state.ts';
import type { CallAnswer, OutgoingCall } from './exchange.ts';
import { encodeUri, toBase64 } from './wdl/text-functions.ts';

/** Statuses the products repeat a call for. */
const RETRIED: ReadonlySet<number> = new Set([408, 429]);

/** Makes one call, with its retries, and records what came of it. */
export async function makeCall(call: LowCodeCall, state: RunState): Promise<StepStatus> {
  let outgoing: OutgoingCall;
  try {
    outgoing = prepare(call, state);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return failed(call, state, 0, error.message);
  }
  const request = `${outgoing.method} ${outgoing.url}`;
  if (!outgoing.viaGateway) {
    const { allowOtherHosts, gatewayHosts } = state.options;
    const message = `\`${call.id}\` calls \`${outgoing.host}\`, which bypasses the gateway`;
    state.findings.push(finding('bypasses-gateway', message, call.urlSource, call.id));
    if (!allowOtherHosts) {
      const skipped = `\`${outgoing.host}\` is not the gateway (${gatewayHosts.join(', ')})`;
      state.calls.push({ id: call.id, outcome: 'Skipped', skipped, request, attempts: 0 });
      state.actions.set(call.id, { status: 'Skipped', outputs: null });
      return 'Skipped';
    }
  }
  return send(call, outgoing, state, request);
}

async function send(call: LowCodeCall, outgoing: OutgoingCall, state: RunState, request: string): Promise<StepStatus> {
  for (let attempt = 1; ; attempt++) {
    let answer: CallAnswer;
    try {
      answer = await state.options.send(outgoing);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      return failed(call, state, attempt, messageOf(error), request);
    }
    const again = answer.timedOut === true || RETRIED.has(answer.status) || answer.status >= 500;
    if (again && attempt <= (call.retry?.count ?? 0)) {
      state.wait((call.retry?.intervalMs ?? 0) * (call.retry?.policy === 'exponential' ? 2 ** (attempt - 1) : 1));
      continue;
    }
    return answered(call, answer, state, attempt, request);
  }
}

function answered(
  call: LowCodeCall,
  answer: CallAnswer,
  state: RunState,
  attempts: number,
  request: string,
): StepStatus {
  const outcome: StepStatus = answer.timedOut === true ? 'TimedOut' : answer.status < 400 ? 'Succeeded' : 'Failed';
  const headers = objectOf(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value] as const));
  const outputs = objectOf([
    ['statusCode', answer.status],
    ['headers', headers],
    ['body', bodyOf(answer.body, headers['content-type'])],
  ]);
  state.actions.set(call.id, { status: outcome, outputs });
  state.calls.push({
    id: call.id,
    status: answer.status,
    outcome,
    request,
    attempts,
    ...(answer.evidence === undefined ? {} : { evidence: answer.evidence }),
  });
  return outcome;
}

function failed(call: LowCodeCall, state: RunState, attempts: number, error: string, request?: string): StepStatus {
  state.actions.set(call.id, { status: 'Failed', outputs: null });
  state.calls.push({ id: call.id, outcome: 'Failed', error, attempts, ...(request === undefined ? {} : { request }) });
  return 'Failed';
}

function bodyOf(body: unknown, contentType: Json | undefined): Json {
  if (typeof body !== 'string') return toJson(body);
  if (typeof contentType !== 'string' || !/[/+]json\b/i.test(contentType)) return body;
  try {
    return parseJson(body);
  } catch {
    return body;
  }
}

/** @throws MeshError where a template fails or the request could not be written to a wire */
function prepare(call: LowCodeCall, state: RunState): OutgoingCall {
  const resource = resourceOf(call, state);
  const text = urlText(call, resource, state);
  const url = urlOf(text);
  for (const { name, value } of call.query) {
    url.search += `${url.search === '' ? '' : '&'}${encodeUri(name)}=${encodeUri(state.text(value))}`;
  }
  if (hasDotSegments(text)) {
    const message = `the path of \`${call.id}\` has dot segments; it is sent as \`${url.pathname}\``;
    state.findings.push(finding('path-normalized', message, call.urlSource, call.id));
  }
  const headers = new Map<string, string>();
  for (const header of [...(resource?.headers ?? []), ...call.headers]) {
    headers.set(header.name.toLowerCase(), headerValue(header, state));
  }
  if (call.auth !== undefined) headers.set('authorization', authorization(call.auth, state));
  const body = bodyText(call, headers, state);
  return {
    id: call.id,
    method: call.method,
    url: url.href,
    scheme: url.protocol === 'http:' ? 'http' : 'https',
    host: url.hostname,
    port: url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port),
    path: url.pathname + url.search,
    headers: Object.fromEntries(headers),
    viaGateway: isGateway(url, state.options.gatewayHosts),
    ...(body === undefined ? {} : { body }),
    ...(call.timeoutMs === undefined ? {} : { timeoutMs: call.timeoutMs }),
  };
}

function resourceOf(call: LowCodeCall, state: RunState): Extract<LowCodeResource, { type: 'rest_api' }> | undefined {
  if (call.resource === undefined) return undefined;
  const found = state.client.resources.find(({ name }) => name === call.resource);
  if (found?.type === 'rest_api') return found;
  throw new MeshError('ERR_LOWCODE_INVALID', `resource \`${call.resource}\` is not a REST API this client knows`);
}

function urlText(call: LowCodeCall, resource: { readonly baseUrl: string } | undefined, state: RunState): string {
  const url = expectText(state.evaluate(call.url), 'a URL');
  if (resource === undefined) return url;
  // A resource's headers are credentials: they go to that resource and nowhere else.
  if (/^[a-z][a-z0-9+.-]*:|^[/\\]{2}/i.test(url)) {
    throw new MeshError('ERR_LOWCODE_INVALID', 'the URL of a call that uses a resource must be relative to it');
  }
  const base = expectText(state.evaluate(resource.baseUrl), 'a base URL').replace(/\/+$/, '');
  return /^[?#]/.test(url) || url === '' ? base + url : `${base}/${url.replace(/^\/+/, '')}`;
}

function urlOf(text: string): URL {
  if (!URL.canParse(text))
    throw new MeshError('ERR_LOWCODE_INVALID', `\`${text.slice(0, 200)}\` is not an absolute URL`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new MeshError('ERR_LOWCODE_INVALID', `\`${url.protocol}\` is not http or https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new MeshError('ERR_LOWCODE_INVALID', 'a URL must not carry a user name or password');
  }
  url.hash = '';
  return url;
}

function headerValue({ name, value }: NamedTemplate, state: RunState): string {
  const text = state.text(value);
  if (!/^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name)) {
    throw new MeshError('ERR_LOWCODE_INVALID', `\`${name}\` cannot name a header`);
  }
  // oxlint-disable-next-line no-control-regex -- what must not reach a header is just these
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) {
    throw new MeshError('ERR_LOWCODE_INVALID', `the value of header \`${name}\` has control characters`);
  }
  return text;
}

function authorization(auth: CallAuth, state: RunState): string {
  const fields = new Map(auth.fields.map((field) => [field.name.toLowerCase(), field] as const));
  const field = (name: string): string => {
    const template = fields.get(name);
    return template === undefined ? '' : headerValue({ ...template, name: 'authorization' }, state);
  };
  switch (auth.type.toLowerCase()) {
    case 'basic': {
      const plain = `${field('username')}:${field('password')}`;
      const encoded = toBase64(plain);
      state.redactor.derived([plain], encoded);
      return `Basic ${encoded}`;
    }
    case 'raw':
      return [field('scheme'), field('value') || field('parameter')].filter((part) => part !== '').join(' ');
    case 'bearer':
      return `Bearer ${field('token')}`;
    default:
      throw new MeshError('ERR_LOWCODE_INVALID', `authentication of type \`${auth.type}\` is not modelled`);
  }
}

function bodyText(call: LowCodeCall, headers: Map<string, string>, state: RunState): string | undefined {
  if (call.body === undefined) return undefined;
  const body = state.evaluate(call.body);
  if (body === null) return undefined;
  if (typeof body === 'string') return body;
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  return JSON.stringify(body);
}

function expectText(value: Json, what: string): string {
  if (typeof value === 'string') return value;
  throw new MeshError('ERR_LOWCODE_INVALID', `${what} must be text, not ${typeName(value)}`);
}
