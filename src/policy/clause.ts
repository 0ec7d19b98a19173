/**
 * A clause: one list of one rule, positive or negated, ready to be tested. The table of fields and `when` keys lives
 * here.
 * @module
 */
import type { AuthorizationAction, Condition, Operation, Source } from '../istio/authorization-policy.ts';
import { bracketedName, bracketedPath } from './attribute-key.ts';
import {
  ABSENT,
  BlockMatcher,
  ClaimMatcher,
  HeaderMatcher,
  HOST,
  METHOD,
  PortMatcher,
  SNI,
  TextListMatcher,
  type AttributeMatcher,
} from './attribute-matcher.ts';
import {
  NamespaceMatcher,
  PrincipalMatcher,
  RequestPrincipalMatcher,
  ServiceAccountMatcher,
  TrustDomainMatcher,
} from './identity-matcher.ts';
import { parseIpBlock } from './ip-address.ts';
import { PathListMatcher } from './path-matcher.ts';
import type { RequestView } from './request-view.ts';
import { expandPrincipals, expandTrustDomains } from './trust-domain-aliases.ts';

/** What the lists of one policy are compiled for. */
export interface ClauseContext {
  readonly action: AuthorizationAction;
  /** Of the policy: a bare service account is one of this namespace. */
  readonly namespace: string;
  /** The mesh's own, then its aliases. */
  readonly trustDomains: readonly string[];
  /** For a raw TCP filter chain, where no attribute of a request exists. */
  readonly tcp: boolean;
  /** Workload port; -1 for every port that no rule names. */
  readonly port: number;
}

export class Clause {
  /** The attribute, as a `when` key or, for fields of an operation, as a pseudo-header: `source.principal`, `:path`. */
  readonly key: string;
  /** Below the policy, e.g. `rules[0].to[0].operation.paths`. */
  readonly path: string;
  readonly values: readonly string[];
  readonly negated: boolean;
  readonly matcher: AttributeMatcher;

  constructor({ key, path, values = [], negated }: Omit<ListToCompile, 'field'>, matcher: AttributeMatcher) {
    this.key = key;
    this.path = path;
    this.values = values;
    this.negated = negated;
    this.matcher = matcher;
  }

  holds(view: RequestView): boolean {
    return this.matcher.test(view) !== this.negated;
  }

  /** The answer where it is the same for every request of this program. */
  get constant(): boolean | undefined {
    if (this.matcher === ABSENT) return this.negated;
    return this.matcher instanceof PortMatcher ? this.matcher.constant !== this.negated : undefined;
  }

  /** True where no request of this program can satisfy the clause. */
  get impossible(): boolean {
    return this.constant === false;
  }
}

/** Why a list, or one of its values, could not be used as written. */
export interface ClauseFault {
  readonly path: string;
  readonly key: string;
  readonly message: string;
  /** The value at fault; absent where it is the list as a whole. */
  readonly value?: string;
  /** The rule as a whole is skipped, for every action. */
  readonly unknownKey?: boolean;
}

export interface CompiledClauses {
  readonly clauses: readonly Clause[];
  readonly faults: readonly ClauseFault[];
}

const SOURCE_FIELDS = [
  ['principals', 'notPrincipals', 'source.principal'],
  ['requestPrincipals', 'notRequestPrincipals', 'request.auth.principal'],
  ['serviceAccounts', 'notServiceAccounts', 'source.serviceAccount'],
  ['trustDomains', 'notTrustDomains', 'source.trustDomain'],
  ['namespaces', 'notNamespaces', 'source.namespace'],
  ['remoteIpBlocks', 'notRemoteIpBlocks', 'remote.ip'],
  ['ipBlocks', 'notIpBlocks', 'source.ip'],
] as const satisfies readonly (readonly [keyof Source, keyof Source, string])[];

const OPERATION_FIELDS = [
  ['hosts', 'notHosts', ':authority'],
  ['methods', 'notMethods', ':method'],
  ['paths', 'notPaths', ':path'],
  ['ports', 'notPorts', 'destination.port'],
] as const satisfies readonly (readonly [keyof Operation, keyof Operation, string])[];

export function sourceClauses(source: Source, path: string, context: ClauseContext): CompiledClauses {
  const into: Collected = { clauses: [], faults: [] };
  for (const [field, not, key] of SOURCE_FIELDS) {
    collect({ key, values: source[field], path, field, negated: false }, context, into);
    collect({ key, values: source[not], path, field: not, negated: true }, context, into);
  }
  return into;
}

export function operationClauses(operation: Operation, path: string, context: ClauseContext): CompiledClauses {
  const into: Collected = { clauses: [], faults: [] };
  for (const [field, not, key] of OPERATION_FIELDS) {
    collect({ key, values: operation[field], path, field, negated: false }, context, into);
    collect({ key, values: operation[not], path, field: not, negated: true }, context, into);
  }
  return into;
}

export function conditionClauses(condition: Condition, path: string, context: ClauseContext): CompiledClauses {
  const { key, values, notValues } = condition;
  const into: Collected = { clauses: [], faults: [] };
  if (!CONDITION_KEY.test(key)) {
    into.faults.push({ path: `${path}.key`, key, message: `unknown key \`${key}\``, unknownKey: true });
    return into;
  }
  collect({ key, values, path, field: 'values', negated: false }, context, into);
  collect({ key, values: notValues, path, field: 'notValues', negated: true }, context, into);
  return into;
}

const CONDITION_KEY =
  /^(?:source\.(?:ip|namespace|serviceAccount|trustDomain|principal)|remote\.ip|destination\.(?:ip|port)|connection\.sni|request\.auth\.(?:principal|audiences|presenter|claims.*)|request\.headers.*|experimental\.envoy\.filters\..*)$/s;

interface Collected {
  readonly clauses: Clause[];
  readonly faults: ClauseFault[];
}

interface ListToCompile {
  readonly key: string;
  readonly values: readonly string[] | undefined;
  /** Of what holds the list. */
  readonly path: string;
  readonly field: string;
  readonly negated: boolean;
}

/** A list that cannot be used leaves a fault and no clause; the action decides what that means for the rule. */
function collect(list: ListToCompile, context: ClauseContext, into: Collected): void {
  const { key, values, negated } = list;
  if (values === undefined || values.length === 0) return;
  const path = `${list.path}.${list.field}`;
  if (context.tcp && (key.startsWith(':') || key.startsWith('request.'))) {
    into.faults.push({ path, key, message: 'needs HTTP: on a TCP connection it cannot be used' });
    return;
  }
  const { matcher, faults } = matcherOf(key, values, context);
  for (const fault of faults) into.faults.push({ path, key, ...fault });
  if (matcher !== undefined) into.clauses.push(new Clause({ key, path, values, negated }, matcher));
}

interface BuiltMatcher {
  readonly matcher?: AttributeMatcher;
  readonly faults: readonly Pick<ClauseFault, 'message' | 'value'>[];
}

/** What compares `values` with the attribute `key`; nothing where none of them can be used. */
export function matcherOf(key: string, values: readonly string[], context: ClauseContext): BuiltMatcher {
  if (key === 'destination.port') return portMatcher(values, context.port);
  if (key === 'source.ip' || key === 'remote.ip' || key === 'destination.ip') return blockMatcher(key, values);
  if (key.startsWith('request.') || key.startsWith('experimental.')) return requestMatcher(key, values, context);
  return { matcher: plainMatcher(key, values, context), faults: [] };
}

function plainMatcher(key: string, values: readonly string[], context: ClauseContext): AttributeMatcher {
  switch (key) {
    case ':authority':
      return new TextListMatcher(HOST, values, { starMatchesEmpty: true, ignoreCase: true });
    case ':method':
      return new TextListMatcher(METHOD, values, { starMatchesEmpty: true });
    case ':path':
      return new PathListMatcher(values);
    case 'connection.sni':
      return new TextListMatcher(SNI, values);
    case 'source.principal':
      return new PrincipalMatcher(expandPrincipals(values, context.trustDomains));
    case 'source.trustDomain':
      return new TrustDomainMatcher(expandTrustDomains(values, context.trustDomains));
    case 'source.namespace':
      return new NamespaceMatcher(values);
    default:
      return new ServiceAccountMatcher(values, context.namespace);
  }
}

const HEADERS = 'request.headers';
const CLAIMS = 'request.auth.claims';

function requestMatcher(key: string, values: readonly string[], context: ClauseContext): BuiltMatcher {
  if (key.startsWith(HEADERS)) {
    const name = bracketedName(key.slice(HEADERS.length));
    if (name === undefined) return { faults: [nameless(key)] };
    return { matcher: new HeaderMatcher(name, values), faults: [] };
  }
  if (key.startsWith('experimental.')) {
    // Dynamic metadata of other filters: nothing here sets any.
    return key.includes('[') ? { matcher: ABSENT, faults: [] } : { faults: [nameless(key)] };
  }
  const path = claimPath(key);
  if (path === undefined) return { faults: [nameless(key)] };
  // External authorizers are asked before any token is read.
  if (context.action === 'CUSTOM') return { matcher: ABSENT, faults: [] };
  const matcher =
    key === 'request.auth.principal' ? new RequestPrincipalMatcher(values) : new ClaimMatcher(path, values);
  return { matcher, faults: [] };
}

function nameless(key: string): Pick<ClauseFault, 'message'> {
  return { message: `\`${key}\` has no [name]` };
}

function claimPath(key: string): readonly string[] | undefined {
  if (key === 'request.auth.principal') return ['sub'];
  if (key === 'request.auth.audiences') return ['aud'];
  if (key === 'request.auth.presenter') return ['azp'];
  return bracketedPath(key.slice(CLAIMS.length));
}

function portMatcher(values: readonly string[], port: number): BuiltMatcher {
  const ports = values.filter(isPort);
  const faults = values
    .filter((value) => !isPort(value))
    .map((value) => ({ value, message: `\`${value}\` is not a port` }));
  return ports.length === 0 ? { faults } : { matcher: new PortMatcher(ports.map(Number), port), faults };
}

export function isPort(value: string): boolean {
  return /^\d{1,9}$/.test(value) && Number(value) <= 65_535;
}

function blockMatcher(role: 'source.ip' | 'remote.ip' | 'destination.ip', values: readonly string[]): BuiltMatcher {
  const blocks = values.map(parseIpBlock);
  const faults = values
    .filter((_, i) => blocks[i] === undefined)
    .map((value) => ({ value, message: `\`${value}\` is not an IP block` }));
  const good = blocks.filter((block) => block !== undefined);
  return good.length === 0 ? { faults } : { matcher: new BlockMatcher(role, good), faults };
}
