/**
 * RequestAuthentication: whether the tokens a request carries are good, and what the request looks like afterwards.
 *
 * All policies that select a workload are combined; nothing overrides anything. A request without tokens passes: it is
 * AuthorizationPolicy that asks for one. With one rule, its tokens must be good or missing. With several, one rule whose
 * tokens are good is enough; else every rule must be content (good or missing).
 *
 * The order of checks and the words are Envoy's; only signatures are verified by `jose`. Times are compared at the
 * mesh's virtual instant with 60 s of tolerance. Keys come from the policy, or from a function that is handed in: there
 * is no network here.
 *
 * Source: https://istio.io/latest/docs/reference/config/security/request_authentication/ and Envoy's JWT filter.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { Instant } from '../core/time.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { JwtRule, RequestAuthentication } from '../istio/request-authentication.ts';
import { KeySet } from './jwks.ts';
import { extractTokens, MutableRequest, outputHeaders } from './jwt-extraction.ts';
import {
  isJsonObject,
  JWT_FAULTS,
  own,
  parseJwt,
  textList,
  type JsonObject,
  type JwtFault,
  type ParsedJwt,
} from './jwt-token.ts';
import type { WorkloadSubject } from './peer-authentication.ts';
import { policyAttaches } from './policy-attachment.ts';
import type { Json, RequestAuthAttributes } from './request.ts';
import { compareByAge, compareText, refOf } from './resource-order.ts';

/** An HTTP request as its tokens are looked for. */
export interface TokenRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** `:authority` or Host, for the challenge of a refusal. */
  readonly host?: string;
  /** Names in any case; several lines of one name as a list. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The mesh's virtual time. */
  readonly now: Instant;
}

export interface AuthenticatedRequest {
  readonly ok: true;
  /** What the good token says; absent where there was none. */
  readonly auth?: RequestAuthAttributes;
  /** Lower-case names whose lines are to be taken off before authorization and application see the request. */
  readonly headersToRemove: readonly string[];
  /** Lines to be added afterwards. */
  readonly headersToAdd: readonly (readonly [name: string, value: string])[];
  /** The path with token parameters taken out; absent where it did not change. */
  readonly path?: string;
}

export interface RefusedRequest {
  readonly ok: false;
  /** 403 for a wrong audience, 401 for everything else. */
  readonly status: 401 | 403;
  readonly body: string;
  /** `RESPONSE_CODE_DETAILS`, e.g. `jwt_authn_access_denied{Jwt_is_expired}`. */
  readonly detail: string;
  readonly wwwAuthenticate: string;
  readonly reason: JwtFault;
}

/**
 * The key set, as JSON text, of a rule that carries none itself. Nothing where it cannot be had: every token of the
 * rule is then refused, as istiod's unusable placeholder key would have it.
 */
export type JwksSource = (rule: {
  readonly issuer?: string;
  readonly jwksUri?: string;
}) => string | undefined | Promise<string | undefined>;

export interface RequestAuthenticationOptions {
  /** @defaultValue no key set can be fetched */
  readonly jwks?: JwksSource;
}

export interface CompiledRequestAuthentication {
  /** The policies that take part for a workload, oldest first. */
  applied(workload: WorkloadSubject): readonly PolicyRef[];
  /** Never rejects: an unusable key set or token is a refusal. */
  authenticate(workload: WorkloadSubject, request: TokenRequest): Promise<AuthenticatedRequest | RefusedRequest>;
}

export function compileRequestAuthentication(
  config: MeshConfig,
  options: RequestAuthenticationOptions = {},
): CompiledRequestAuthentication {
  const policies = [...config.requestAuthentications].sort(compareByAge);
  const { rootNamespace } = config.settings;
  const providers = new Map<JwtRule, Provider>();
  const providerOf = (rule: JwtRule): Provider => {
    const known = providers.get(rule) ?? new Provider(rule, options.jwks);
    providers.set(rule, known);
    return known;
  };
  const applied = (workload: WorkloadSubject): readonly RequestAuthentication[] =>
    policies.filter((policy) => policyAttaches(policy, workload, rootNamespace));

  return {
    applied: (workload) => applied(workload).map(refOf),
    async authenticate(workload, request) {
      const rules = jwtRulesOf(applied(workload)).map(({ rule }) => rule);
      if (rules.length === 0 || isCorsPreflight(request)) return { ok: true, headersToRemove: [], headersToAdd: [] };
      const verification = new Verification(request);
      const fault = await verification.require(rules.map(providerOf));
      return fault === undefined ? verification.passed() : refusal(request, fault);
    },
  };
}

/** One rule, and where it stands. */
export interface PlacedJwtRule {
  readonly rule: JwtRule;
  readonly policy: RequestAuthentication;
  /** Among the rules of its policy. */
  readonly index: number;
}

/** The rules of policies that are given oldest first, in the order in which they are tried. */
export function jwtRulesOf(policies: readonly RequestAuthentication[]): readonly PlacedJwtRule[] {
  return policies
    .flatMap((policy) => (policy.spec.jwtRules ?? []).map((rule, index) => ({ rule, policy, index })))
    .sort((a, b) => compareText(a.rule.issuer ?? '', b.rule.issuer ?? ''));
}

function isCorsPreflight({ method, headers }: TokenRequest): boolean {
  const request = new MutableRequest('', headers);
  const isSet = (name: string): boolean => request.lines(name).some((line) => line !== '');
  return method === 'OPTIONS' && isSet('origin') && isSet('access-control-request-method');
}

const CLOCK_SKEW_SECONDS = 60;
/** Longest path that a challenge quotes. */
const CHALLENGE_PATH_MAX = 256;

function refusal({ headers, host = '', path }: TokenRequest, reason: JwtFault): RefusedRequest {
  const body = JWT_FAULTS[reason];
  const scheme = new MutableRequest('', headers).lines('x-forwarded-proto')[0] ?? 'http';
  const realm = `${scheme}://${host}${path.slice(0, CHALLENGE_PATH_MAX)}`;
  return {
    ok: false,
    status: reason === 'audience' ? 403 : 401,
    body,
    detail: `jwt_authn_access_denied{${body.replaceAll(' ', '_')}}`,
    wwwAuthenticate: `Bearer realm="${realm}"${reason === 'missing' ? '' : ', error="invalid_token"'}`,
    reason,
  };
}

/** One rule with its keys. */
class Provider {
  readonly rule: JwtRule;
  readonly #audiences: ReadonlySet<string>;
  readonly #source: JwksSource | undefined;
  #keys: Promise<KeySet | undefined> | undefined;

  constructor(rule: JwtRule, source: JwksSource | undefined) {
    this.rule = rule;
    this.#audiences = new Set((rule.audiences ?? []).map(bareAudience));
    this.#source = source;
  }

  /** Everything but the signature, in Envoy's order. */
  claimsFault(token: ParsedJwt, nowSeconds: number): JwtFault | undefined {
    const { issuer = '' } = this.rule;
    if (issuer !== '' && token.issuer !== issuer) return 'issuer';
    if (nowSeconds + CLOCK_SKEW_SECONDS < token.notBefore) return 'not_yet_valid';
    if (token.expires !== 0 && nowSeconds > token.expires + CLOCK_SKEW_SECONDS) return 'expired';
    const isAllowed =
      this.#audiences.size === 0 || token.audiences.some((name) => this.#audiences.has(bareAudience(name)));
    return isAllowed ? undefined : 'audience';
  }

  async signatureFault(token: ParsedJwt): Promise<JwtFault | undefined> {
    this.#keys ??= this.#fetchKeys();
    const keys = await this.#keys;
    if (keys !== undefined) return keys.fault(token);
    // A source that had nothing this time is asked again for the next token.
    this.#keys = undefined;
    return 'signature';
  }

  async #fetchKeys(): Promise<KeySet | undefined> {
    const { jwks = '', issuer, jwksUri } = this.rule;
    if (jwks !== '') return new KeySet(jwks);
    try {
      const asked = { ...(issuer === undefined ? {} : { issuer }), ...(jwksUri === undefined ? {} : { jwksUri }) };
      const text = await this.#source?.(asked);
      return text === undefined ? undefined : new KeySet(text);
    } catch {
      return undefined;
    }
  }
}

/** Scheme and one closing slash do not count in audiences. */
export function bareAudience(name: string): string {
  return name.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

/** One request under verification; the request changes on the way. */
class Verification {
  readonly #request: MutableRequest;
  readonly #path: string;
  readonly #nowSeconds: number;
  #payload: { readonly claims: JsonObject; readonly rule: JwtRule } | undefined;

  constructor({ path, headers, now }: TokenRequest) {
    this.#request = new MutableRequest(path, headers);
    this.#path = path;
    this.#nowSeconds = Math.floor(now / 1000);
  }

  /** One provider: good or missing. Several: any good, or all good or missing. */
  async require(providers: readonly Provider[]): Promise<JwtFault | undefined> {
    const [only] = providers;
    if (providers.length === 1 && only !== undefined) return this.#goodOrMissing(only);
    const faults: JwtFault[] = [];
    for (const provider of providers) {
      const fault = await this.#good(provider);
      if (fault === undefined) return undefined;
      faults.push(fault);
    }
    const all = await this.#allGoodOrMissing(providers);
    return all === undefined ? undefined : worst([...faults, all]);
  }

  async #allGoodOrMissing(providers: readonly Provider[]): Promise<JwtFault | undefined> {
    for (const provider of providers) {
      const fault = await this.#goodOrMissing(provider);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  async #goodOrMissing(provider: Provider): Promise<JwtFault | undefined> {
    const fault = await this.#good(provider);
    return fault === 'missing' ? undefined : fault;
  }

  /** Every token in the rule's locations is good, and there is one. Last found, first tried. */
  async #good(provider: Provider): Promise<JwtFault | undefined> {
    for (const header of outputHeaders(provider.rule)) this.#request.remove(header);
    const tokens = extractTokens(provider.rule, this.#request);
    if (tokens.length === 0) return 'missing';
    for (const { token, remove } of tokens.toReversed()) {
      const parsed = parseJwt(token);
      if (typeof parsed === 'string') return parsed;
      const fault = provider.claimsFault(parsed, this.#nowSeconds) ?? (await provider.signatureFault(parsed));
      if (fault !== undefined) return fault;
      this.#accept(provider.rule, parsed, remove);
    }
    return undefined;
  }

  #accept(rule: JwtRule, { claims, payload }: ParsedJwt, removeToken: () => void): void {
    if (rule.outputPayloadToHeader) this.#request.add(rule.outputPayloadToHeader, payload);
    for (const { header, claim } of rule.outputClaimToHeaders ?? []) {
      const text = claimText(claimAt(claims, claim));
      if (text !== '') this.#request.add(header, text);
    }
    if (rule.forwardOriginalToken !== true) removeToken();
    this.#payload = { claims, rule };
  }

  passed(): AuthenticatedRequest {
    const { path, removedHeaders, addedHeaders } = this.#request;
    return {
      ok: true,
      ...(this.#payload === undefined ? {} : { auth: attributesOf(this.#payload.claims, this.#payload.rule) }),
      headersToRemove: removedHeaders,
      headersToAdd: addedHeaders,
      ...(path === this.#path ? {} : { path }),
    };
  }
}

/** A real fault before an unknown issuer, that before a missing token; of several real ones the last. */
function worst(faults: readonly JwtFault[]): JwtFault {
  return (
    faults.findLast((fault) => fault !== 'missing' && fault !== 'issuer') ??
    (faults.includes('issuer') ? 'issuer' : 'missing')
  );
}

/** A claim by name, dots leading into objects. */
function claimAt(claims: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = claims;
  for (const name of path.split('.')) value = isJsonObject(value) ? own(value, name) : undefined;
  return value;
}

/** A claim as a header's text: objects and lists as base64 of their JSON, numbers as Envoy prints them. */
function claimText(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    return value >= 0 && value < 2 ** 64 && Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(6);
  }
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** Claims that are split at blanks whatever a rule says. */
export const SPACE_DELIMITED: readonly string[] = ['permission', 'scope'];

/** What policies may ask of the token. Claims that hold words are split into lists, so that only single words match. */
function attributesOf(claims: JsonObject, rule: JwtRule): RequestAuthAttributes {
  const normalized: Record<string, Json> = { ...claims };
  for (const name of [...SPACE_DELIMITED, ...(rule.spaceDelimitedClaims ?? [])]) {
    const value = own(claims, name);
    const words = typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : [];
    if (words.length > 0) normalized[name] = words;
  }
  const [issuer, subject, presenter] = ['iss', 'sub', 'azp'].map((name) => own(normalized, name));
  const audiences = textList(own(normalized, 'aud') ?? []) ?? [];
  return {
    ...(typeof issuer === 'string' && typeof subject === 'string' ? { principal: `${issuer}/${subject}` } : {}),
    ...(audiences.length > 0 ? { audiences } : {}),
    ...(typeof presenter === 'string' ? { presenter } : {}),
    claims: normalized,
  };
}
