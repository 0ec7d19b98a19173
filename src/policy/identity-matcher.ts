/**
 * Matchers over the peer's SPIFFE identity and over the token's issuer and subject.
 *
 * All of them read the identity as one text, as Envoy does with the regular expressions istiod writes: extra path
 * segments around `/ns/…` and `/sa/…` are let through, and a namespace is found in any trust domain.
 * @module
 */
import { ClaimMatcher, PRINCIPAL, TextListMatcher, type AttributeMatcher } from './attribute-matcher.ts';
import type { RequestView } from './request-view.ts';
import { textKey, type IndexKey, type TextIndex, type TextSource } from './rule-index.ts';
import { quoteRegExp, TextMatcher, type TextPattern } from './text-matcher.ts';

abstract class IdentityMatcher implements AttributeMatcher {
  abstract readonly keys: readonly IndexKey[] | undefined;
  protected abstract accepts(principal: string): boolean;
  /** Values of this kind that name the identity. */
  protected abstract valuesFor(principal: string): readonly string[];

  test(view: RequestView): boolean {
    return view.principal !== undefined && this.accepts(view.principal);
  }

  seen(view: RequestView): string | undefined {
    return view.principal;
  }

  examples(view: RequestView): readonly string[] {
    return view.principal === undefined ? [] : this.valuesFor(view.principal);
  }
}

/** The generic forms, over the whole identity. */
export class PrincipalMatcher extends TextListMatcher {
  constructor(values: readonly string[]) {
    super(PRINCIPAL, values);
  }

  /** `cluster.local` is rewritten to the mesh's own trust domain; a leading asterisk never is. */
  override examples(view: RequestView): readonly string[] {
    const { principal } = view;
    return principal === undefined ? [] : [principal, `*${principal.slice(trustDomainOf(principal).length)}`];
  }
}

function trustDomainOf(principal: string): string {
  const slash = principal.indexOf('/');
  return slash < 0 ? principal : principal.slice(0, slash);
}

/** The segments that follow each segment called `name`. */
function segmentsAfter(name: string, principal: string): readonly string[] {
  const segments: string[] = [];
  const text = `/${principal}`;
  const border = `/${name}/`;
  for (let at = text.indexOf(border); at >= 0; at = text.indexOf(border, at + 1)) {
    const start = at + border.length;
    const end = text.indexOf('/', start);
    segments.push(text.slice(start, end < 0 ? text.length : end));
  }
  return segments;
}

/** The segments that follow each segment called `after`. */
class SegmentSource implements TextSource {
  readonly id: string;
  readonly #after: string;

  constructor(after: string) {
    this.id = `segment after ${after}`;
    this.#after = after;
  }

  probe(view: RequestView, index: TextIndex, known: number): number {
    const { principal } = view;
    if (principal === undefined) return known;
    let best = known;
    for (const segment of this.#segments(principal)) best = index.probe(segment, view, best);
    return best;
  }

  #known: { principal: string; segments: readonly string[] } = { principal: '', segments: [] };

  /** Remembers the last answer: callers come in runs, and cutting texts out allocates. */
  #segments(principal: string): readonly string[] {
    if (this.#known.principal !== principal) {
      this.#known = { principal, segments: segmentsAfter(this.#after, principal) };
    }
    return this.#known.segments;
  }
}

const NAMESPACE_SEGMENT = new SegmentSource('ns');
const ACCOUNT_SEGMENT = new SegmentSource('sa');

/** `/ns/VALUE/` anywhere in the identity; an asterisk in the value stands for any text. */
export class NamespaceMatcher extends IdentityMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #infixes: readonly string[];
  readonly #regexps: readonly RegExp[];

  constructor(values: readonly string[]) {
    super();
    const literal = values.filter((value) => !value.includes('*'));
    this.#infixes = literal.map((value) => `ns/${value}/`);
    this.#regexps = values
      .filter((value) => value.includes('*'))
      .map((value) => new RegExp(`(?:^|/)ns/${value.split('*').map(quoteRegExp).join('.*')}/`, 's'));
    this.keys =
      literal.length === values.length && literal.every((value) => !value.includes('/'))
        ? literal.map((text) => textKey(NAMESPACE_SEGMENT, 'exact', text))
        : undefined;
  }

  protected accepts(principal: string): boolean {
    for (const infix of this.#infixes) if (hasAtSegment(principal, infix)) return true;
    for (const regexp of this.#regexps) if (regexp.test(principal)) return true;
    return false;
  }

  protected valuesFor(principal: string): readonly string[] {
    return segmentsAfter('ns', principal);
  }
}

function hasAtSegment(principal: string, infix: string): boolean {
  for (let at = principal.indexOf(infix); at >= 0; at = principal.indexOf(infix, at + 1)) {
    if (at === 0 || principal.charCodeAt(at - 1) === 0x2f) return true;
  }
  return false;
}

/** `NAMESPACE/ACCOUNT`, or `ACCOUNT` of the policy's own namespace. No wildcards. */
export class ServiceAccountMatcher extends IdentityMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #regexp: RegExp;

  constructor(values: readonly string[], policyNamespace: string) {
    super();
    const accounts = values.map((value) => {
      const slash = value.indexOf('/');
      return slash < 0
        ? { namespace: policyNamespace, account: value }
        : { namespace: value.slice(0, slash), account: value.slice(slash + 1) };
    });
    const alternatives = accounts.map(
      ({ namespace, account }) => `${quoteRegExp(namespace)}/(?:.+/|)sa/${quoteRegExp(account)}`,
    );
    this.#regexp = new RegExp(`^.+/ns/(?:${alternatives.join('|')})(?:/.+)?$`, 's');
    this.keys = accounts.every(({ account }) => !account.includes('/'))
      ? accounts.map(({ account }) => textKey(ACCOUNT_SEGMENT, 'exact', account))
      : undefined;
  }

  protected accepts(principal: string): boolean {
    return this.#regexp.test(principal);
  }

  protected valuesFor(principal: string): readonly string[] {
    const accounts = segmentsAfter('sa', principal);
    return segmentsAfter('ns', principal).flatMap((namespace) => accounts.map((account) => `${namespace}/${account}`));
  }
}

/** Exact, `*`, or one asterisk that stands for any text without a slash. */
export class TrustDomainMatcher extends IdentityMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #any: boolean;
  readonly #prefixes: readonly string[];
  readonly #regexps: readonly RegExp[];

  constructor(values: readonly string[]) {
    super();
    this.#any = values.includes('*');
    this.#prefixes = values.filter((value) => !value.includes('*')).map((value) => `${value}/`);
    this.#regexps = values
      .filter((value) => value !== '*' && value.includes('*'))
      .map((value) => {
        const star = value.indexOf('*');
        return new RegExp(`^${quoteRegExp(value.slice(0, star))}[^/]*${quoteRegExp(value.slice(star + 1))}/`);
      });
    this.keys =
      this.#prefixes.length === values.length
        ? this.#prefixes.map((text) => textKey(PRINCIPAL, 'prefix', text))
        : undefined;
  }

  protected accepts(principal: string): boolean {
    if (this.#any) return true;
    for (const prefix of this.#prefixes) if (principal.startsWith(prefix)) return true;
    for (const regexp of this.#regexps) if (regexp.test(principal)) return true;
    return false;
  }

  protected valuesFor(principal: string): readonly string[] {
    return [trustDomainOf(principal)];
  }
}

interface IssuerAndSubject {
  readonly issuer: TextMatcher;
  readonly subject: TextMatcher;
}

const ISSUER: readonly string[] = ['iss'];
const SUBJECT: readonly string[] = ['sub'];
const subjectSource = new ClaimMatcher(SUBJECT, []);

/** `iss/sub`, split at the last slash; both have to be texts in the payload. */
export class RequestPrincipalMatcher implements AttributeMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #pairs: readonly IssuerAndSubject[];

  constructor(values: readonly string[]) {
    this.#pairs = values.map((value) => {
      const { issuer, subject } = issuerAndSubjectForms(value);
      return { issuer: new TextMatcher([issuer]), subject: new TextMatcher([subject]) };
    });
    const keys: IndexKey[] = [];
    for (const { subject } of this.#pairs) {
      for (const pattern of subject.patterns) {
        if (pattern.form !== 'any') keys.push(textKey(subjectSource, pattern.form, pattern.text));
      }
    }
    this.keys = keys.length === values.length && keys.every(isSelective) ? keys : undefined;
  }

  test(view: RequestView): boolean {
    const issuer = view.claim(ISSUER);
    const subject = view.claim(SUBJECT);
    if (typeof issuer !== 'string' || typeof subject !== 'string') return false;
    for (const pair of this.#pairs) if (pair.issuer.test(issuer) && pair.subject.test(subject)) return true;
    return false;
  }

  seen(view: RequestView): string | undefined {
    const auth = view.http?.auth;
    if (auth === undefined) return undefined;
    const issuer = view.claim(ISSUER);
    const subject = view.claim(SUBJECT);
    return `${typeof issuer === 'string' ? issuer : ''}/${typeof subject === 'string' ? subject : ''}`;
  }

  /** A subject with a slash cannot be written down: the value is split at its last one. */
  examples(view: RequestView): readonly string[] {
    const issuer = view.claim(ISSUER);
    const subject = view.claim(SUBJECT);
    if (typeof issuer !== 'string' || typeof subject !== 'string') return [];
    return [`${issuer}/${subject}`, `${issuer}/*`];
  }
}

function isSelective(key: IndexKey): boolean {
  return key.form === 'exact' || (key.form !== 'block' && key.text.length >= 2);
}

/** What one value asks of issuer and subject. The texts are taken literally: an inner asterisk is an asterisk. */
export function issuerAndSubjectForms(value: string): { readonly issuer: TextPattern; readonly subject: TextPattern } {
  const slash = value.lastIndexOf('/');
  const issuer = slash < 0 ? value : value.slice(0, slash);
  const subject = slash < 0 ? '' : value.slice(slash + 1);
  if (value === '*') return { issuer: ANY, subject: ANY };
  if (value.startsWith('*')) {
    if (slash < 0) return { issuer: ANY, subject: form('suffix', value.slice(1)) };
    return { issuer: issuer === '*' ? ANY : form('suffix', issuer.slice(1)), subject: form('exact', subject) };
  }
  if (value.endsWith('*')) {
    if (slash < 0) return { issuer: form('prefix', value.slice(0, -1)), subject: ANY };
    return {
      issuer: form('exact', issuer),
      subject: subject === '*' ? ANY : form('prefix', subject.slice(0, -1)),
    };
  }
  return { issuer: form('exact', issuer), subject: form('exact', subject) };
}

const ANY: TextPattern = { form: 'any' };

function form(kind: 'prefix' | 'suffix' | 'exact', text: string): TextPattern {
  return { form: kind, text };
}
