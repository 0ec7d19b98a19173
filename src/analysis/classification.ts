/**
 * The class of a given request at a level: the way back from a request to the diagram. Coverage and assertions ask
 * this way round.
 * @module
 */
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { parseIpBlock, blockContains } from '../policy/ip-address.ts';
import { queryOf } from '../policy/path-normalization.ts';
import { RequestView, type RequestAttributes } from '../policy/request-view.ts';
import type { Change, Result, Walk } from './joint-walk.ts';
import type { ClassLevel, Level } from './level.ts';
import { NO_ISSUER, NUL } from './linear-pattern.ts';
import { hitsOf } from './pattern-match.ts';
import { behindTrustDomain } from './witness.ts';

export interface ClassifiedRequest {
  readonly view: RequestView;
  readonly refusedBy: ReadonlySet<string>;
  /** Where the token is and who signed it, as the walk calls them; absent for nobody. */
  readonly token?: { readonly 'token.location'?: string; readonly 'token.signer'?: string };
}

/** Nothing where the path cannot be normalised. */
export function readForClasses(
  attributes: RequestAttributes,
  mode: PathNormalization,
  refusedBy: ReadonlySet<string>,
): ClassifiedRequest | undefined {
  const view = new RequestView();
  return view.load(attributes, mode) ? { view, refusedBy } : undefined;
}

/** Where the diagram leads for one request; `none` where the sides agree. */
export function resultFor(walk: Walk, request: ClassifiedRequest): Change | 'none' {
  let result: Result | undefined = walk.root;
  while (result?.kind === 'branch') {
    const level = walk.levels[result.level];
    const answer = level === undefined ? -1 : answerOf(level, request);
    result = result.edges.find(({ classes }) => classes.includes(answer))?.to;
  }
  return result?.change ?? 'none';
}

/** The index of the class at a level, -1 for a request outside the model. */
export function answerOf(level: Level, { view, refusedBy, token }: ClassifiedRequest): number {
  if (level.kind === 'classes') {
    const { name } = level;
    if (name !== 'token.location' && name !== 'token.signer') return classOf(level, view);
    return level.classes.findIndex(({ witness }) => witness === token?.[name]);
  }
  const { attribute, values } = level.atom;
  if (attribute.kind === 'verdict') return refusedBy.has(attribute.provider) ? 1 : 0;
  const matches = (text: string): boolean => hitsOf(values, text).includes(1);
  if (attribute.kind === 'header') return view.someHeader(attribute.name, matches) ? 1 : 0;
  const claim = attribute.kind === 'claim' ? view.claim(attribute.path) : undefined;
  if (typeof claim === 'string') return matches(claim) ? 1 : 0;
  return Array.isArray(claim) && claim.some((item) => typeof item === 'string' && matches(item)) ? 1 : 0;
}

function classOf(level: ClassLevel, view: RequestView): number {
  const { name } = level;
  const hits =
    name === 'source.ip' || name === 'remote.ip' || name === 'destination.ip'
      ? blockHits(level, view)
      : textHits(level, view);
  if (hits === undefined) return level.classes.findIndex((each) => each.witness === undefined);
  const key = hits.join('');
  return level.classes.findIndex((each) => each.witness !== undefined && each.hits.join('') === key);
}

function blockHits({ name, values }: ClassLevel, view: RequestView): Uint8Array {
  return Uint8Array.from(values, ({ label }) => {
    const block = parseIpBlock(label);
    const role = name === 'source.ip' || name === 'remote.ip' ? name : 'destination.ip';
    return block !== undefined && blockContains(block, view.address(role)) ? 1 : 0;
  });
}

function textHits({ name, values }: ClassLevel, view: RequestView): Uint8Array | undefined {
  const text = textOf(name, view);
  if (text === undefined) return undefined;
  const queried = name === 'path' && values.some((value) => value.withQuery === undefined);
  const patterns = queried
    ? values.map((value) => ({ ...value, patterns: value.withQuery ?? value.patterns }))
    : values;
  return hitsOf(patterns, queried ? text + queryOf(view.http?.path ?? '') : text);
}

function textOf(name: ClassLevel['name'], view: RequestView): string | undefined {
  switch (name) {
    case 'principal':
      return view.principal;
    case 'own':
      return view.principal === undefined ? undefined : behindTrustDomain(view.principal);
    case 'sni':
      return view.sni;
    case 'method':
      return view.method;
    case 'path':
      return view.path;
    case 'host':
      return view.http?.host;
    default: {
      if (view.http?.auth === undefined) return undefined;
      const [issuer, subject] = [view.claim(['iss']), view.claim(['sub'])];
      if (typeof issuer !== 'string') return typeof subject === 'string' ? `${NO_ISSUER}${NUL}${subject}` : NO_ISSUER;
      return typeof subject === 'string' ? `${issuer}${NUL}${subject}` : issuer;
    }
  }
}
