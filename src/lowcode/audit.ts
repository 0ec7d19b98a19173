/**
 * Static audit of a client: what is wrong with its calls before any of them is made.
 *
 * Values that look like credentials are never repeated in a finding.
 * @module
 */
import type { SourcePosition } from '../istio/index.ts';
import { finding, type LowCodeFinding } from './finding.ts';
import { DEFAULT_GATEWAY_HOSTS, isGateway } from './gateway.ts';
import type { Json } from './json.ts';
import {
  childrenOf,
  type Dialect,
  type LowCodeCall,
  type LowCodeClient,
  type NamedTemplate,
  type Step,
} from './model.ts';
import { isConstant, withoutTemplates } from './templates.ts';

export interface AuditOptions {
  /** @defaultValue `DEFAULT_GATEWAY_HOSTS` */
  readonly gatewayHosts?: readonly string[];
  /**
   * Whether the mesh would let a call through. Parts of a path that depend on data are written as `0`; calls whose
   * host depends on data are not asked about.
   */
  readonly allows?: (call: StaticCall) => { readonly allowed: boolean; readonly why?: string };
}

export interface StaticCall {
  readonly id: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
}

/** Names of headers, parameters and fields that hold credentials. */
const CREDENTIAL_NAME =
  /^(proxy-)?authorization$|^cookie$|(^|[-_])(api|access|secret|private|subscription|functions)?[-_]?key$|token$|secret$|password$|^(sig|pfx|pwd|apikey|code)$/i;
const DESTRUCTIVE: ReadonlySet<string> = new Set(['PUT', 'PATCH', 'DELETE']);

/** Findings in the order of the export. */
export function auditClient(client: LowCodeClient, options: AuditOptions = {}): readonly LowCodeFinding[] {
  const findings = [
    ...client.resources.flatMap((resource) => {
      if (resource.type !== 'rest_api') return [];
      const { name, baseUrl, headers, source } = resource;
      return [
        ...auditUrl(baseUrl, { what: `resource \`${name}\``, at: source, client, options }),
        ...(resource.skipsTlsVerification === true ? [unverified(`resource \`${name}\``, source)] : []),
        ...auditNamed(headers, 'header', client.dialect),
      ];
    }),
    ...client.parameters.flatMap(({ name, plainAt }) =>
      plainAt === undefined
        ? []
        : [finding('secret-in-plain-text', `secure parameter \`${name}\` has its value in the export`, plainAt)],
    ),
    ...client.calls.flatMap((call) => auditCall(call, client, options)),
    ...hiddenFailures(client.steps),
  ];
  const line = ({ where }: LowCodeFinding): number => where.line * 10_000 + where.column;
  return findings.toSorted((a, b) => line(a) - line(b));
}

function auditCall(call: LowCodeCall, client: LowCodeClient, options: AuditOptions): readonly LowCodeFinding[] {
  const findings: LowCodeFinding[] = [];
  const what = `\`${call.id}\``;
  if (call.resource === undefined) {
    findings.push(...auditUrl(call.url, { what, at: call.urlSource, client, options, call: call.id }));
  }
  if (call.skipsTlsVerification === true) findings.push(unverified(what, call.source, call.id));
  findings.push(
    ...auditNamed(call.headers, 'header', client.dialect, call.id),
    ...auditNamed(call.query, 'query parameter', client.dialect, call.id),
    ...auditNamed(
      call.auth?.fields ?? [],
      'authentication field',
      client.dialect,
      call.id,
      /^(password|value|parameter|token|pfx|secret)$/i,
    ),
  );
  if (call.on === 'load' && DESTRUCTIVE.has(call.method)) {
    const message = `${what} is a ${call.method} that is sent whenever the page opens`;
    findings.push(finding('destructive-on-load', message, call.source, call.id));
  }
  const refused = refusal(call, client, options);
  if (refused !== undefined) findings.push(finding('refused-by-policy', `${what}: ${refused}`, call.source, call.id));
  return findings;
}

interface UrlContext {
  readonly what: string;
  readonly at: SourcePosition;
  readonly client: LowCodeClient;
  readonly options: AuditOptions;
  readonly call?: string;
}

function auditUrl(url: string, { what, at, client, options, call }: UrlContext): readonly LowCodeFinding[] {
  const findings: LowCodeFinding[] = [];
  const fixed = staticUrl(url, client.dialect);
  const gatewayHosts = options.gatewayHosts ?? DEFAULT_GATEWAY_HOSTS;
  if (/^\s*http:/i.test(url)) findings.push(finding('plaintext-url', `${what} goes over http://`, at, call));
  if (fixed === undefined) {
    findings.push(
      finding('bypasses-gateway', `the host of ${what} is not written out, so it may bypass the gateway`, at, call),
    );
  } else if (!isGateway(fixed, gatewayHosts)) {
    findings.push(finding('bypasses-gateway', `${what} goes to \`${fixed.host}\`, not through the gateway`, at, call));
  }
  const query = [...(fixed?.searchParams ?? [])];
  // A template in the query left `0`, or nothing but it, behind.
  const leaked = query.some(([name, value]) => CREDENTIAL_NAME.test(name) && value.replaceAll('0', '') !== '');
  if (leaked || (fixed !== undefined && fixed.username + fixed.password !== '')) {
    findings.push(finding('secret-in-plain-text', `the URL of ${what} holds a credential`, at, call));
  }
  return findings;
}

/** The URL with `0` for every template in it; nothing where the host itself is one. */
function staticUrl(url: string, dialect: Dialect): URL | undefined {
  const text = withoutTemplates(url, dialect, '0');
  const origin = /^\s*[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;
  const host = origin.exec(text)?.[0];
  if (host === undefined || !url.startsWith(host) || !URL.canParse(text)) return undefined;
  // `https://api-gateway.internal{{ x }}` must not pass for the gateway.
  return /^([/?#]|$)/.test(url.slice(host.length)) ? new URL(text) : undefined;
}

function auditNamed(
  templates: readonly NamedTemplate[],
  what: string,
  dialect: Dialect,
  call?: string,
  names: RegExp = CREDENTIAL_NAME,
): readonly LowCodeFinding[] {
  return templates.flatMap(({ name, value, source }) =>
    names.test(name) && isPlain(value, dialect)
      ? [finding('secret-in-plain-text', `${what} \`${name}\` holds a credential`, source, call)]
      : [],
  );
}

/** Whether anything but a scheme is written out. */
function isPlain(value: Json, dialect: Dialect): boolean {
  if (typeof value !== 'string') return value !== null;
  if (isConstant(value, dialect)) return value.trim() !== '';
  const rest = withoutTemplates(value, dialect, ' ').trim();
  return !/^(bearer|basic|token|apikey|key|negotiate)?[\s:]*$/i.test(rest);
}

function unverified(what: string, at: SourcePosition, call?: string): LowCodeFinding {
  return finding('tls-verification-off', `${what} does not verify the server's certificate`, at, call);
}

function refusal(call: LowCodeCall, client: LowCodeClient, options: AuditOptions): string | undefined {
  if (options.allows === undefined) return undefined;
  const resource = client.resources.find(({ name }) => name === call.resource);
  const base = resource?.type === 'rest_api' ? `${resource.baseUrl.replace(/\/+$/, '')}/` : '';
  const url = staticUrl(base + (base === '' ? call.url : call.url.replace(/^\/+/, '')), client.dialect);
  if (url === undefined || !isGateway(url, options.gatewayHosts ?? DEFAULT_GATEWAY_HOSTS)) return undefined;
  const { id, method } = call;
  const { allowed, why } = options.allows({ id, method, host: url.hostname, path: url.pathname });
  if (allowed) return undefined;
  return `the mesh refuses ${method} ${url.pathname}${why === undefined ? '' : ` (${why})`}`;
}

function hiddenFailures(steps: readonly Step[]): readonly LowCodeFinding[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return steps.flatMap((step) => {
    const own = failsLoudly(step)
      ? []
      : step.runAfter.flatMap(({ step: name, statuses, source }) => {
          const before = byId.get(name);
          if (!statuses.includes('Failed') || before === undefined || !makesCalls(before)) return [];
          return [
            finding(
              'failure-hidden',
              `\`${step.id}\` runs although \`${name}\` failed: a 403 goes unnoticed`,
              source,
              name,
            ),
          ];
        });
    return [...own, ...hiddenFailures(childrenOf(step))];
  });
}

function makesCalls(step: Step): boolean {
  return step.kind === 'call' || childrenOf(step).some(makesCalls);
}

/** A handler that ends the flow as failed hides nothing. */
function failsLoudly(step: Step): boolean {
  return (step.kind === 'terminate' && step.status === 'Failed') || childrenOf(step).some(failsLoudly);
}
