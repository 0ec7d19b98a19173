/**
 * The oracle: AuthorizationPolicy semantics written down as plainly as possible, to be read beside the documentation.
 *
 * No compilation, no index, no shortcuts, and nothing imported from the evaluator under test but types. Regular
 * expressions are the ones Istio writes into Envoy's configuration, over whole SPIFFE URIs.
 * @module
 */
import { isIP } from 'node:net';
import type {
  AuthorizationAction,
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  MeshConfig,
  Operation,
  Source,
} from '../../src/istio/index.ts';
import type { AuthorizationRequest, HttpAttributes, Json } from '../../src/policy/index.ts';

export interface NaiveDecision {
  readonly decision: 'allow' | 'deny';
  readonly status: number;
  /** `ns[…]-policy[…]-rule[…]` */
  readonly matched?: string;
  readonly audited: readonly string[];
  readonly dryRun: readonly { action: 'ALLOW' | 'DENY'; result: 'allow' | 'deny'; matched?: string }[];
}

type Provider = (provider: string) => 'allow' | 'deny' | 'error';

interface World {
  readonly config: MeshConfig;
  readonly request: AuthorizationRequest;
  readonly path: string;
}

export function naiveAuthorize(config: MeshConfig, request: AuthorizationRequest, provider?: Provider): NaiveDecision {
  const path = request.request === undefined ? '' : naivePath(request.request.path, config.settings.pathNormalization);
  if (path === undefined) return { decision: 'deny', status: 400, audited: [], dryRun: [] };
  const world: World = { config, request, path };
  const policies = selectedPolicies(world);
  const of = (action: AuthorizationAction, dry: boolean): readonly AuthorizationPolicy[] =>
    policies.filter((p) => (p.spec.action ?? 'ALLOW') === action && dryRun(p) === dry);
  const matches = (action: AuthorizationAction, dry: boolean): readonly string[] =>
    of(action, dry)
      .flatMap((p) => (p.spec.rules ?? []).map((rule, i) => ({ name: nameOf(p, i), hit: ruleMatches(world, p, rule) })))
      .filter(({ hit }) => hit)
      .map(({ name }) => name)
      .sort();

  const custom = customVerdict(world, of('CUSTOM', false), provider);
  if (custom !== undefined) return { ...custom, audited: [], dryRun: [] };
  const audited = matches('AUDIT', false);
  const shadow: NaiveDecision['dryRun'][number][] = [];
  if (of('DENY', true).length > 0) {
    const [matched] = matches('DENY', true);
    shadow.push(
      matched === undefined ? { action: 'DENY', result: 'allow' } : { action: 'DENY', result: 'deny', matched },
    );
  }
  const [denied] = matches('DENY', false);
  if (denied !== undefined) return { decision: 'deny', status: 403, matched: denied, audited, dryRun: shadow };
  if (of('ALLOW', true).length > 0) {
    const [matched] = matches('ALLOW', true);
    shadow.push(
      matched === undefined ? { action: 'ALLOW', result: 'deny' } : { action: 'ALLOW', result: 'allow', matched },
    );
  }
  if (of('ALLOW', false).length === 0) return { decision: 'allow', status: 200, audited, dryRun: shadow };
  const [allowed] = matches('ALLOW', false);
  if (allowed === undefined) return { decision: 'deny', status: 403, audited, dryRun: shadow };
  return { decision: 'allow', status: 200, matched: allowed, audited, dryRun: shadow };
}

function nameOf(policy: AuthorizationPolicy, rule: number): string {
  return `ns[${policy.metadata.namespace}]-policy[${policy.metadata.name}]-rule[${rule}]`;
}

function dryRun(policy: AuthorizationPolicy): boolean {
  return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(policy.metadata.annotations['istio.io/dry-run'] ?? '');
}

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

/** Workload namespace and root namespace; labels a subset of the Pod's; targetRefs only where they name the Pod's Gateway. */
function selectedPolicies({ config, request }: World): readonly AuthorizationPolicy[] {
  const { namespace, workload, labels } = request.destination;
  const declared = config.workloads.find((w) => w.namespace === namespace && w.name === workload);
  const pod = declared?.labels ?? labels ?? {};
  return config.authorizationPolicies.filter((p) => {
    if (p.metadata.namespace !== namespace && p.metadata.namespace !== config.settings.rootNamespace) return false;
    const refs = [...(p.spec.targetRefs ?? [])];
    if (refs.length === 0 && p.spec.targetRef !== undefined) refs.push(p.spec.targetRef);
    if (refs.length > 0) {
      const mine = refs.filter((ref) => ref.kind === 'Gateway' && ref.group === 'gateway.networking.k8s.io');
      return p.metadata.namespace === namespace && mine.some((ref) => ref.name === pod[GATEWAY_NAME]);
    }
    return Object.entries(p.spec.selector?.matchLabels ?? {}).every(([k, v]) => pod[k] === v);
  });
}

function customVerdict(
  world: World,
  policies: readonly AuthorizationPolicy[],
  provider: Provider | undefined,
): { decision: 'deny'; status: number; matched: string } | undefined {
  const names = [...new Set(policies.map((p) => p.spec.provider?.name ?? ''))].sort();
  for (const name of names) {
    const { extensionProviders, unusableProviders } = world.config.settings;
    const known = extensionProviders.find((p) => p.name === name);
    const usable = names.length === 1 && known !== undefined && !unusableProviders.includes(name);
    if (usable && known.protocol === 'http' && world.request.request === undefined) continue;
    const hits = policies
      .filter((p) => (p.spec.provider?.name ?? '') === name)
      .flatMap((p) => (p.spec.rules ?? []).flatMap((rule, i) => (ruleMatches(world, p, rule) ? [nameOf(p, i)] : [])))
      .sort();
    const [matched] = hits;
    if (matched === undefined) continue;
    if (!usable) return { decision: 'deny', status: 403, matched };
    const answer = provider === undefined ? 'error' : provider(name);
    if (answer === 'deny') return { decision: 'deny', status: 403, matched };
    if (answer === 'error' && !known.failOpen) return { decision: 'deny', status: known.statusOnError, matched };
  }
  return undefined;
}

/** What a part of a rule comes to: an answer, or the finding that it cannot be used. */
type Part = boolean | 'unusable' | 'unknown';

function ruleMatches(world: World, policy: AuthorizationPolicy, rule: AuthorizationRule): boolean {
  const when = (rule.when ?? []).flatMap((c) => conditionParts(world, policy, c));
  const from = (rule.from ?? []).map(({ source }) => sourceParts(world, policy, source));
  const to = (rule.to ?? []).map(({ operation }) => operationParts(world, policy, operation));
  const all = [...when, ...from.flat(), ...to.flat()];
  if (all.includes('unknown')) return false;
  // ALLOW errs on the narrow side: the rule goes. Every other action errs on the wide side: the part goes.
  if ((policy.spec.action ?? 'ALLOW') === 'ALLOW' && all.includes('unusable')) return false;
  const holds = (parts: readonly Part[]): boolean => parts.every((part) => part === true || part === 'unusable');
  return holds(when) && (from.length === 0 || from.some(holds)) && (to.length === 0 || to.some(holds));
}

function sourceParts(world: World, policy: AuthorizationPolicy, s: Source): readonly Part[] {
  return [
    ...both(world, policy, 'source.principal', s.principals, s.notPrincipals),
    ...both(world, policy, 'request.auth.principal', s.requestPrincipals, s.notRequestPrincipals),
    ...both(world, policy, 'source.namespace', s.namespaces, s.notNamespaces),
    ...both(world, policy, 'source.serviceAccount', s.serviceAccounts, s.notServiceAccounts),
    ...both(world, policy, 'source.trustDomain', s.trustDomains, s.notTrustDomains),
    ...both(world, policy, 'source.ip', s.ipBlocks, s.notIpBlocks),
    ...both(world, policy, 'remote.ip', s.remoteIpBlocks, s.notRemoteIpBlocks),
  ];
}

function operationParts(world: World, policy: AuthorizationPolicy, o: Operation): readonly Part[] {
  return [
    ...both(world, policy, 'hosts', o.hosts, o.notHosts),
    ...both(world, policy, 'methods', o.methods, o.notMethods),
    ...both(world, policy, 'paths', o.paths, o.notPaths),
    ...both(world, policy, 'destination.port', o.ports, o.notPorts),
  ];
}

/** A key that does not exist is found out even where no value stands beside it. */
function conditionParts(world: World, policy: AuthorizationPolicy, c: Condition): readonly Part[] {
  if (matchesOne(world, policy, c.key, '') === 'unknown') return ['unknown'];
  return both(world, policy, c.key, c.values, c.notValues);
}

function both(
  world: World,
  policy: AuthorizationPolicy,
  key: string,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
): readonly Part[] {
  const parts: Part[] = [];
  if (values !== undefined && values.length > 0) parts.push(anyOf(world, policy, key, values));
  if (notValues !== undefined && notValues.length > 0) {
    const any = anyOf(world, policy, key, notValues);
    parts.push(typeof any === 'boolean' ? !any : any);
  }
  return parts;
}

/** A list with some unusable values: they are unusable for ALLOW, left out otherwise. */
function anyOf(world: World, policy: AuthorizationPolicy, key: string, values: readonly string[]): Part {
  const answers = values.map((value) => matchesOne(world, policy, key, value));
  if (answers.includes('unknown')) return 'unknown';
  if ((policy.spec.action ?? 'ALLOW') === 'ALLOW' && answers.includes('unusable')) return 'unusable';
  const usable = answers.filter((answer) => answer !== 'unusable');
  return usable.length === 0 ? 'unusable' : usable.includes(true);
}

const REQUEST_KEY = /^request\.(?:headers|auth\.claims|auth\.(?:principal|audiences|presenter)$)/;

function matchesOne(world: World, policy: AuthorizationPolicy, key: string, value: string): Part {
  const { request, config, path } = world;
  const { request: http, source = {}, destination, connection } = request;
  const uri = source.principal === undefined ? undefined : `spiffe://${source.principal}`;
  const trustDomains = [config.settings.trustDomain, ...config.settings.trustDomainAliases];
  const whole = (regex: string): boolean => uri !== undefined && new RegExp(`^(?:${regex})$`, 's').test(uri);
  switch (key) {
    case 'source.principal':
      return aliasedPrincipals(value, trustDomains).some((principal) => whole(principalRegex(principal)));
    case 'source.namespace':
      return whole(`.*/ns/${value.split('*').map(quote).join('.*')}/.*`);
    case 'source.serviceAccount': {
      const [ns, sa] = value.includes('/')
        ? [value.slice(0, value.indexOf('/')), value.slice(value.indexOf('/') + 1)]
        : [policy.metadata.namespace, value];
      return whole(`spiffe://.+/ns/${quote(ns)}/(.+/|)sa/${quote(sa)}(/.+)?`);
    }
    case 'source.trustDomain':
      return (trustDomains.includes(value) ? trustDomains : [value]).some((td) => whole(trustDomainRegex(td)));
    case 'source.ip':
      return inBlock(source.ip, value);
    case 'remote.ip':
      return inBlock(source.remoteIp ?? naiveForwarded(http?.headers) ?? source.ip, value);
    case 'destination.ip':
      return inBlock(destination.ip, value);
    case 'destination.port':
      return /^\d+$/.test(value) && Number(value) <= 65535 ? Number(value) === destination.port : 'unusable';
    case 'connection.sni':
      return generic(value, connection?.sni?.toLowerCase());
    default:
      break;
  }
  if (key.startsWith('experimental.envoy.filters.')) return key.includes('[') ? false : 'unusable';
  if (!['hosts', 'methods', 'paths'].includes(key) && !REQUEST_KEY.test(key)) return 'unknown';
  if (http === undefined) return 'unusable';
  switch (key) {
    case 'hosts':
      return value === '*' ? http.host !== undefined : generic(value.toLowerCase(), http.host?.toLowerCase());
    case 'methods':
      return value === '*' || generic(value, http.method);
    case 'paths':
      return value.includes('{*}') || value.includes('{**}') ? template(value, path) : generic(value, path);
    default:
      return matchesToken(world, policy, key, value);
  }
}

function matchesToken(world: World, policy: AuthorizationPolicy, key: string, value: string): Part {
  const http = world.request.request;
  if (http === undefined) return 'unusable';
  if (key.startsWith('request.headers')) {
    const name = /^request\.headers\[(.*)\]$/s.exec(key)?.[1]?.toLowerCase();
    if (name === undefined) return 'unusable';
    const pseudo = pseudoHeaders(world);
    const own = name in pseudo ? pseudo[name] : undefined;
    if (own !== undefined) return value === '*' || generic(value, own);
    const lines = Object.entries(http.headers ?? {})
      .filter(([header]) => header.toLowerCase() === name)
      .flatMap(([, lines]) => lines);
    return lines.some((line) => value === '*' || generic(value, line));
  }
  const jwt = policy.spec.action === 'CUSTOM' ? {} : payload(world);
  const text = (name: string): string | undefined => (typeof jwt[name] === 'string' ? jwt[name] : undefined);
  if (key === 'request.auth.principal') return requestPrincipal(value, text('iss'), text('sub'));
  if (key === 'request.auth.audiences') return textOrList(value, jwt['aud']);
  if (key === 'request.auth.presenter') return textOrList(value, jwt['azp']);
  const keys = /^request\.auth\.claims((?:\[[^[\]]*\])+)$/.exec(key)?.[1]?.slice(1, -1).split('][');
  if (keys === undefined) return 'unusable';
  let at: Json | undefined = jwt;
  for (const step of keys)
    at = typeof at === 'object' && at !== null && !Array.isArray(at) ? at[step as never] : undefined;
  const spaced = keys.length === 1 && (keys[0] === 'scope' || keys[0] === 'permission');
  return textOrList(value, spaced && typeof at === 'string' ? at.split(' ') : at);
}

/** What HTTP/2 calls pseudo-headers; `host` is another name of `:authority`. The path keeps its query. */
function pseudoHeaders({ request, path }: World): Readonly<Record<string, string | undefined>> {
  const { method, host, path: raw = '' } = request.request ?? {};
  const query = /\?[^#]*/.exec(raw.split('#')[0] ?? '')?.[0] ?? '';
  return { ':method': method, ':authority': host, host, ':path': path + query };
}

/** All lines joined; what follows the last comma, if it is an address. */
function naiveForwarded(headers: HttpAttributes['headers'] = {}): string | undefined {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === 'x-forwarded-for' ? value : [],
  );
  const entry = lines.join(',').split(',').pop()?.trim() ?? '';
  return isIP(entry) === 0 ? undefined : entry;
}

function payload({ request }: World): { readonly [key: string]: Json } {
  const auth = request.request?.auth;
  if (auth === undefined) return {};
  const slash = auth.principal?.lastIndexOf('/') ?? -1;
  return {
    ...(auth.principal === undefined
      ? {}
      : { iss: auth.principal.slice(0, slash), sub: auth.principal.slice(slash + 1) }),
    ...(auth.audiences === undefined ? {} : { aud: auth.audiences }),
    ...(auth.presenter === undefined ? {} : { azp: auth.presenter }),
    ...auth.claims,
  };
}

function textOrList(value: string, claim: Json | undefined): boolean {
  const texts = Array.isArray(claim) ? claim : [claim];
  return texts.some((text) => typeof text === 'string' && generic(value, text));
}

function requestPrincipal(value: string, iss: string | undefined, sub: string | undefined): boolean {
  if (iss === undefined || sub === undefined) return false;
  if (value === '*') return iss !== '' && sub !== '';
  const at = value.lastIndexOf('/');
  const [left, right] = [value.slice(0, at), value.slice(at + 1)];
  if (at < 0) {
    if (value.startsWith('*')) return iss !== '' && sub.endsWith(value.slice(1));
    if (value.endsWith('*')) return iss.startsWith(value.slice(0, -1)) && sub !== '';
    return iss === value && sub === '';
  }
  if (value.startsWith('*')) return (left === '*' ? iss !== '' : iss.endsWith(left.slice(1))) && sub === right;
  if (value.endsWith('*')) return iss === left && (right === '*' ? sub !== '' : sub.startsWith(right.slice(0, -1)));
  return iss === left && sub === right;
}

function generic(value: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  if (value === '*') return text !== '';
  if (value.startsWith('*')) return text.endsWith(value.slice(1));
  if (value.endsWith('*')) return text.startsWith(value.slice(0, -1));
  return text === value;
}

function principalRegex(principal: string): string {
  if (principal === '*') return '.+';
  if (principal.startsWith('*')) return `spiffe://.*${quote(principal.slice(1))}`;
  if (principal.endsWith('*')) return `spiffe://${quote(principal.slice(0, -1))}.*`;
  return `spiffe://${quote(principal)}`;
}

function trustDomainRegex(value: string): string {
  if (value === '*') return 'spiffe://.*';
  const star = value.indexOf('*');
  if (star < 0) return `spiffe://${quote(value)}/.*`;
  return `spiffe://${quote(value.slice(0, star))}[^/]*${quote(value.slice(star + 1))}/.*`;
}

function aliasedPrincipals(principal: string, trustDomains: readonly string[]): readonly string[] {
  const [td = '', ...rest] = principal.split('/');
  if (rest.length !== 4 || td === '*') return [principal];
  const like = (pattern: string, text: string): boolean =>
    pattern === text ||
    (pattern.startsWith('*') && text.endsWith(pattern.slice(1))) ||
    (pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1)));
  if (td !== 'cluster.local' && !trustDomains.some((known) => like(td, known) || like(known, td))) return [principal];
  return trustDomains.map((known) =>
    td.startsWith('*') && known.endsWith(td.slice(1)) ? principal : [known, ...rest].join('/'),
  );
}

function template(value: string, path: string): boolean {
  const one = "[A-Za-z0-9\\-._~%!$&'()+,;:@=*]+";
  const any = "[A-Za-z0-9\\-._~%!$&'()+,;:@=*/]*";
  const regex = value
    .split('/')
    .map((segment) => (segment === '{*}' ? one : segment === '{**}' ? any : quote(segment)))
    .join('/');
  return new RegExp(`^${regex}$`).test(path);
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Addresses as strings of bits. */
function bitsOf(address: string): string | undefined {
  const ip = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!ip.includes(':')) {
    const octets = ip.split('.');
    if (octets.length !== 4 || octets.some((o) => !/^(0|[1-9]\d{0,2})$/.test(o) || Number(o) > 255)) return undefined;
    return octets.map((o) => Number(o).toString(2).padStart(8, '0')).join('');
  }
  const [head = '', tail] = ip.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const all =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return all.map((g) => Number.parseInt(g, 16).toString(2).padStart(16, '0')).join('');
}

function inBlock(ip: string | undefined, block: string): Part {
  const [address = '', length] = block.split('/');
  const wanted = bitsOf(address);
  if (wanted === undefined) return 'unusable';
  const bits = ip === undefined ? undefined : bitsOf(ip);
  const count = length === undefined ? wanted.length : Number(length);
  return bits !== undefined && bits.length === wanted.length && bits.slice(0, count) === wanted.slice(0, count);
}

/** Segment by segment, on the path without query. */
export function naivePath(raw: string, mode: MeshConfig['settings']['pathNormalization']): string | undefined {
  let path = raw.replace(/[?#].*$/s, '');
  if (mode === 'NONE') return path;
  if (mode === 'DECODE_AND_MERGE_SLASHES') path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
  if (path.includes('%00')) return undefined;
  path = path.replaceAll('\\', '/');
  if (!path.startsWith('/')) path = `/${path}`;
  path = path.replace(/%([0-9a-f]{2})/gi, (escaped, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-._~]/.test(char) ? char : escaped;
  });
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') kept.pop();
      if (last) kept.push('');
    } else kept.push(segment);
  });
  path = `/${kept.join('/')}`;
  return mode === 'BASE' ? path : path.replace(/\/+/g, '/');
}
