/**
 * Atoms: the questions that rules ask about one attribute ("does any of these values match"), as languages instead of
 * code. Equal questions are one atom, whichever policy asks them.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { bracketedName, bracketedPath } from '../policy/attribute-key.ts';
import type { Clause, ClauseContext } from '../policy/clause.ts';
import { issuerAndSubjectForms } from '../policy/identity-matcher.ts';
import { expandPrincipals, expandTrustDomains } from '../policy/trust-domain-aliases.ts';
import {
  issuerPatterns,
  namespacePatterns,
  pathPatterns,
  serviceAccountPatterns,
  subjectPatterns,
  textPatterns,
  tokenPattern,
  trustDomainPatterns,
  type LinearPattern,
  type ValuePattern,
} from './linear-pattern.ts';

/** Attributes of which a request has at most one value. */
export type SingleAttribute =
  | 'principal'
  /** Of a caller of the mesh's own trust domain, whatever that is called: what stands behind it. */
  | 'own'
  | 'sni'
  | 'method'
  | 'path'
  | 'host'
  | 'token';
/** Of a request that carries a token: where, and who signed it. Finitely many values, which the walk knows. */
export type TokenAttribute = 'token.location' | 'token.signer';
export type AddressAttribute = 'source.ip' | 'remote.ip' | 'destination.ip';

export type Attribute =
  | { readonly kind: 'verdict'; readonly provider: string }
  | { readonly kind: 'text'; readonly name: SingleAttribute }
  /** Lines of a header. */
  | { readonly kind: 'header'; readonly name: string }
  /** A claim that is a text or a list of texts. */
  | { readonly kind: 'claim'; readonly path: readonly string[] }
  | { readonly kind: 'address'; readonly name: AddressAttribute }
  | { readonly kind: 'token'; readonly name: TokenAttribute };

export interface Atom {
  readonly id: number;
  readonly attribute: Attribute;
  /** Equal for atoms about one attribute. */
  readonly attributeKey: string;
  readonly values: readonly ValuePattern[];
}

/** An atom, or its negation. */
export interface Literal {
  readonly atom: Atom;
  readonly negated: boolean;
}

/** Key of the value that all identities of a trust domain match. */
export function trustDomainKey(domain: string): string {
  return `principal trustDomain ${domain}`;
}

export class AtomTable {
  readonly #atoms = new Map<string, Atom>();
  readonly #values = new Map<string, ValuePattern>();

  intern(attribute: Attribute, values: readonly ValuePattern[]): Atom {
    const attributeKey = keyOf(attribute);
    const key = `${attributeKey}\n${values
      .map((value) => value.key)
      .sort()
      .join('\n')}`;
    let atom = this.#atoms.get(key);
    if (atom === undefined) {
      atom = { id: this.#atoms.size, attribute, attributeKey, values };
      this.#atoms.set(key, atom);
    }
    return atom;
  }

  value(key: string, label: string, patterns: () => readonly LinearPattern[]): ValuePattern {
    let value = this.#values.get(key);
    if (value === undefined) {
      value = { key, label, patterns: patterns() };
      this.#values.set(key, value);
    }
    return value;
  }

  /** What a clause asks, or its constant answer; of paths it sees what `normalization` makes of them. */
  ofClause(clause: Clause, context: ClauseContext, normalization: PathNormalization = 'BASE'): Literal | boolean {
    const constant = clause.constant;
    if (constant !== undefined) return constant;
    const { attribute, values } = this.#question(clause, context);
    const seen = attribute.kind === 'text' && attribute.name === 'path' ? this.#seen(values, normalization) : values;
    return { atom: this.intern(attribute, seen), negated: clause.negated };
  }

  #seen(values: readonly ValuePattern[], normalization: PathNormalization): readonly ValuePattern[] {
    return values.map((value) => {
      const key = `${normalization} ${value.key}`;
      const known = this.#values.get(key);
      const made = known ?? { ...value, key, normalization };
      if (known === undefined) this.#values.set(key, made);
      return made;
    });
  }

  #question(clause: Clause, context: ClauseContext): Pick<Atom, 'attribute' | 'values'> {
    const { key, values } = clause;
    switch (key) {
      case 'source.ip':
      case 'remote.ip':
      case 'destination.ip':
        return {
          // Nothing but a request's headers makes the original client another than the peer.
          attribute: { kind: 'address', name: key === 'remote.ip' && context.tcp ? 'source.ip' : key },
          values: values.map((value) => this.value(`block ${value}`, value, () => [])),
        };
      case ':authority':
        return this.#text('host', values, (value) => textPatterns(value, { starMatchesEmpty: true, ignoreCase: true }));
      case ':method':
        return this.#text('method', values, (value) => textPatterns(value, { starMatchesEmpty: true }));
      case ':path':
        return this.#path(values);
      case 'connection.sni':
        return this.#text('sni', values, (value) => textPatterns(value));
      case 'request.auth.principal':
        return this.#text('token', values, tokenPatterns, 'requestPrincipal');
      default:
        return key.startsWith('source.') ? this.#identity(key, values, context) : this.#headerOrClaim(key, values);
    }
  }

  #path(values: readonly string[]): Pick<Atom, 'attribute' | 'values'> {
    const patternOf = (value: string): ValuePattern => {
      const key = `path ${value}`;
      const known = this.#values.get(key);
      if (known !== undefined) return known;
      const [patterns, withQuery] = [pathPatterns(value, false), pathPatterns(value, true)];
      const made = { key, label: `\`${value}\``, patterns, withQuery };
      this.#values.set(key, made);
      return made;
    };
    return { attribute: { kind: 'text', name: 'path' }, values: [...new Set(values)].map(patternOf) };
  }

  #identity(key: string, values: readonly string[], context: ClauseContext): Pick<Atom, 'attribute' | 'values'> {
    const { trustDomains, namespace } = context;
    switch (key) {
      case 'source.principal':
        return this.#text('principal', expandPrincipals(values, trustDomains), (value) => textPatterns(value));
      case 'source.namespace':
        return this.#text('principal', values, namespacePatterns, 'namespace');
      case 'source.trustDomain':
        return this.#text('principal', expandTrustDomains(values, trustDomains), trustDomainPatterns, 'trustDomain');
      default:
        return this.#text(
          'principal',
          values.map((value) => (value.includes('/') ? value : `${namespace}/${value}`)),
          (value) => serviceAccountPatterns(value, namespace),
          'serviceAccount',
        );
    }
  }

  #headerOrClaim(key: string, values: readonly string[]): Pick<Atom, 'attribute' | 'values'> {
    if (key.startsWith('request.headers')) return this.#header(key, values);
    const path = claimPath(key);
    if (path.length === 1 && path[0] === 'iss') return this.#text('token', values, issuerPatterns, 'iss');
    if (path.length === 1 && path[0] === 'sub') return this.#text('token', values, subjectPatterns, 'sub');
    return {
      attribute: { kind: 'claim', path },
      values: values.map((value) => this.value(`claim ${value}`, value, () => textPatterns(value))),
    };
  }

  /** `:authority`, its old name `host`, `:method` and `:path` can be asked for like headers, letter by letter. */
  #header(key: string, values: readonly string[]): Pick<Atom, 'attribute' | 'values'> {
    const name = (bracketedName(key.slice('request.headers'.length)) ?? '').toLowerCase();
    const patterns = (value: string): readonly LinearPattern[] => textPatterns(value, { starMatchesEmpty: true });
    if (name === ':authority' || name === 'host') return this.#text('host', values, patterns, 'header host');
    if (name === ':method') return this.#text('method', values, patterns);
    if (name === ':path') return this.#text('path', values, patterns, 'header :path');
    return {
      attribute: { kind: 'header', name },
      values: values.map((value) => this.value(`header ${value}`, value, () => patterns(value))),
    };
  }

  #text(
    name: SingleAttribute,
    values: readonly string[],
    patterns: (value: string) => readonly LinearPattern[],
    flavour = '',
  ): Pick<Atom, 'attribute' | 'values'> {
    const words = FLAVOURS[flavour] ?? flavour;
    const label = (value: string): string => (words === '' ? `\`${value}\`` : `${words} \`${value}\``);
    return {
      attribute: { kind: 'text', name },
      values: [...new Set(values)].map((value) =>
        this.value(`${name} ${flavour} ${value}`, label(value), () => patterns(value)),
      ),
    };
  }
}

const FLAVOURS: Readonly<Record<string, string>> = {
  namespace: 'any identity of namespace',
  trustDomain: 'any identity of trust domain',
  serviceAccount: 'service account',
  requestPrincipal: '',
  iss: 'issuer',
  sub: 'subject',
  'header host': 'as sent',
  'header :path': 'with query',
};

function tokenPatterns(value: string): readonly LinearPattern[] {
  const { issuer, subject } = issuerAndSubjectForms(value);
  return [tokenPattern(issuer, subject)];
}

function claimPath(key: string): readonly string[] {
  if (key === 'request.auth.audiences') return ['aud'];
  if (key === 'request.auth.presenter') return ['azp'];
  const path = bracketedPath(key.slice('request.auth.claims'.length));
  invariant(path !== undefined, `a clause about \`${key}\` has been compiled`);
  return path;
}

function keyOf(attribute: Attribute): string {
  switch (attribute.kind) {
    case 'verdict':
      return `verdict ${attribute.provider}`;
    case 'header':
      return `header ${attribute.name}`;
    case 'claim':
      return `claim ${JSON.stringify(attribute.path)}`;
    default:
      return attribute.name;
  }
}
