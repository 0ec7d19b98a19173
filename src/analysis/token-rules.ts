/**
 * What the RequestAuthentications of one configuration ask of the tokens of a workload's requests, in the terms of the
 * analysis: where a token is looked for, whose it is, who is meant to read it, who signed it.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { JwtRule, RequestAuthentication } from '../istio/request-authentication.ts';
import { SelectorIndex } from '../istio/selector-index.ts';
import { extractTokens, locationsOf, MutableRequest, outputHeaders } from '../policy/jwt-extraction.ts';
import type { WorkloadSubject } from '../policy/peer-authentication.ts';
import { policyAttaches, targetsOf } from '../policy/policy-attachment.ts';
import { bareAudience, jwtRulesOf, SPACE_DELIMITED, type PlacedJwtRule } from '../policy/request-authentication.ts';
import { compareByAge, refOf } from '../policy/resource-order.ts';
import { keySourceKey, keySourceOf, type KeySource } from './token-signers.ts';

/** Where a request carries its token. */
export type TokenLocation =
  | { readonly in: 'header'; readonly name: string; readonly prefix: string }
  | { readonly in: 'parameter' | 'cookie'; readonly name: string };

export interface TokenRule {
  readonly rule: JwtRule;
  /** With the rule's index. */
  readonly ref: PolicyRef;
  /** Empty: any. */
  readonly issuer: string;
  /** Without scheme and closing slash; empty: any. */
  readonly audiences: readonly string[];
  readonly locations: readonly TokenLocation[];
  readonly keys: KeySource;
}

/** The rules that apply to a workload, in the order in which they are tried; at least one. */
export interface TokenRules {
  readonly rules: readonly TokenRule[];
  /** Equal keys: the same tokens are taken. */
  readonly acceptKey: string;
  /** Equal keys: the request looks the same afterwards, too. */
  readonly key: string;
  /** Equal keys: refused by the same policies, too. */
  readonly causeKey: string;
}

/** The RequestAuthentications of a configuration. */
export class TokenPolicies {
  readonly #selecting: SelectorIndex<RequestAuthentication>;
  readonly #targeted: readonly RequestAuthentication[];
  readonly #rootNamespace: string;
  readonly #made = new Map<string, TokenRules | undefined>();
  readonly #some: boolean;

  constructor({ requestAuthentications, settings }: MeshConfig) {
    const isTargeted = (policy: RequestAuthentication): boolean => targetsOf(policy).length > 0;
    this.#some = requestAuthentications.length > 0;
    this.#rootNamespace = settings.rootNamespace;
    this.#targeted = requestAuthentications.filter(isTargeted);
    this.#selecting = new SelectorIndex(
      requestAuthentications.filter((policy) => !isTargeted(policy)),
      ({ metadata, spec }) => ({ namespace: metadata.namespace, labels: spec.selector?.matchLabels }),
    );
  }

  /** Nothing where no rule applies: tokens are not looked at. */
  for(workload: WorkloadSubject): TokenRules | undefined {
    if (!this.#some) return undefined;
    const { namespace, labels } = workload;
    const root = this.#rootNamespace;
    const applied = [
      ...this.#selecting.selecting(namespace, labels),
      ...(namespace === root ? [] : this.#selecting.selecting(root, labels)),
      ...this.#targeted.filter((policy) => policyAttaches(policy, workload, root)),
    ].sort(compareByAge);
    const key = applied.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join();
    if (!this.#made.has(key)) this.#made.set(key, tokenRules(applied));
    return this.#made.get(key);
  }
}

function tokenRules(policies: readonly RequestAuthentication[]): TokenRules | undefined {
  const rules = jwtRulesOf(policies).map(tokenRule);
  if (rules.length === 0) return undefined;
  const accepting = rules.map(({ issuer, audiences, locations, keys }) =>
    JSON.stringify([issuer, audiences, locations.map(locationKey).sort(), keySourceKey(keys)]),
  );
  const split = splitClaims(rules);
  const acceptKey = JSON.stringify([[...new Set(accepting)].sort(), split.always, split.sometimes]);
  const effects = rules.map(({ rule }) => [
    rule.forwardOriginalToken === true,
    rule.outputPayloadToHeader ?? '',
    rule.outputClaimToHeaders ?? [],
  ]);
  const key = JSON.stringify([acceptKey, effects]);
  return { rules, acceptKey, key, causeKey: JSON.stringify([key, rules.map(({ ref }) => [ref.namespace, ref.name])]) };
}

function tokenRule({ rule, policy, index }: PlacedJwtRule): TokenRule {
  return {
    rule,
    ref: { ...refOf(policy), rule: index },
    issuer: rule.issuer ?? '',
    audiences: [...new Set((rule.audiences ?? []).map(bareAudience))].sort(),
    locations: placesOf(rule),
    keys: keySourceOf(rule),
  };
}

function placesOf(rule: JwtRule): readonly TokenLocation[] {
  const { headers, parameters, cookies } = locationsOf(rule);
  const places: readonly TokenLocation[] = [
    ...headers.map(({ name, prefix }) => ({ in: 'header', name, prefix }) as const),
    ...parameters.map((name) => ({ in: 'parameter', name }) as const),
    ...cookies.map((name) => ({ in: 'cookie', name }) as const),
  ];
  // No request can carry a cookie whose name has a `=` in it, and the like.
  return places.filter((place) => readingOf(rule, place) !== 'nothing');
}

export function locationKey(location: TokenLocation): string {
  const { in: kind, name } = location;
  return JSON.stringify(location.in === 'header' ? [kind, name, location.prefix] : [kind, name]);
}

/** `` header `x-jwt` ``, `` header `authorization` after `Bearer ` ``. */
export function locationText(location: TokenLocation): string {
  const after = location.in === 'header' && location.prefix !== '' ? ` after \`${location.prefix}\`` : '';
  return `${location.in} \`${location.name}\`${after}`;
}

/** The lines and the path that carry a token; the path has the parameter added. */
export function carried(
  location: TokenLocation,
  token: string,
  path: string,
): { readonly path: string; readonly headers: Readonly<Record<string, string>> } {
  if (location.in === 'header') return { path, headers: { [location.name]: location.prefix + token } };
  if (location.in === 'cookie') return { path, headers: { cookie: `${location.name}=${token}` } };
  const parameter = `${encodeURIComponent(location.name)}=${token}`;
  return { path: `${path}${path.includes('?') ? '&' : '?'}${parameter}`, headers: {} };
}

/**
 * What a rule makes of a token that is carried somewhere: it finds nothing, the token, something that is no token any
 * more (the line of another rule's prefix), or more than one.
 */
export type Reading = 'nothing' | 'token' | 'garbage' | 'several';

const SAMPLE = 'e30.e30.c2ln';

const READINGS = new WeakMap<JwtRule, Map<string, Reading>>();

export function readingOf(rule: JwtRule, location: TokenLocation): Reading {
  const known = READINGS.get(rule) ?? new Map<string, Reading>();
  READINGS.set(rule, known);
  const key = locationKey(location);
  const reading = known.get(key) ?? readingOfSample(rule, location);
  known.set(key, reading);
  return reading;
}

function readingOfSample(rule: JwtRule, location: TokenLocation): Reading {
  const { path, headers } = carried(location, SAMPLE, '/');
  const found = extractTokens(rule, new MutableRequest(path, headers));
  if (found.length > 1) return 'several';
  const [one] = found;
  return one === undefined ? 'nothing' : one.token === SAMPLE ? 'token' : 'garbage';
}

/** Claims that every rule splits at blanks, and those that only some split; those that always are not among them. */
export function splitClaims(rules: readonly TokenRule[]): {
  readonly always: readonly string[];
  readonly sometimes: readonly string[];
} {
  const lists = rules.map(({ rule }) => new Set(rule.spaceDelimitedClaims ?? []));
  const names = [...new Set(lists.flatMap((list) => [...list]))]
    .filter((name) => !SPACE_DELIMITED.includes(name))
    .sort();
  const always = names.filter((name) => lists.every((list) => list.has(name)));
  return { always, sometimes: names.filter((name) => !always.includes(name)) };
}

/** Headers whose lines depend on the token: written from it, or taken off with it. */
export function headersOfTokens(rules: readonly TokenRule[]): ReadonlySet<string> {
  const written = rules.flatMap(({ rule }) => outputHeaders(rule));
  return new Set([...written.map((name) => name.toLowerCase()), ...carryingHeaders(rules)]);
}

/** Headers in which tokens are looked for. */
export function carryingHeaders(rules: readonly TokenRule[]): readonly string[] {
  return rules.flatMap(({ locations }) =>
    locations.flatMap((place) => (place.in === 'header' ? [place.name] : place.in === 'cookie' ? ['cookie'] : [])),
  );
}
