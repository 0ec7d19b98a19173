/**
 * Matchers: one list of values of a policy, compared with one attribute of a request.
 *
 * `test` is the positive question "does any value match"; negation is the clause's business. An absent attribute
 * matches nothing.
 * @module
 */
import type { IpAddress, IpBlock } from './ip-address.ts';
import { blockContains } from './ip-address.ts';
import type { Json } from './request.ts';
import type { AddressRole, RequestView } from './request-view.ts';
import { blockKey, textKey, type AddressSource, type IndexKey, type TextIndex, type TextSource } from './rule-index.ts';
import { TextMatcher, type TextMatcherOptions } from './text-matcher.ts';

export interface AttributeMatcher {
  test(view: RequestView): boolean;
  /** What the request showed, for people. */
  seen(view: RequestView): string | undefined;
  /** Values for a policy that may match what the request shows, narrowest first. */
  examples(view: RequestView): readonly string[];
  /** Keys of which at least one is hit whenever `test` holds; nothing where the list cannot be indexed. */
  readonly keys: readonly IndexKey[] | undefined;
}

/** An attribute with at most one text value. */
export class TextAttribute implements TextSource {
  readonly id: string;
  readonly #read: (view: RequestView) => string | undefined;

  constructor(id: string, read: (view: RequestView) => string | undefined) {
    this.id = id;
    this.#read = read;
  }

  read(view: RequestView): string | undefined {
    return this.#read(view);
  }

  probe(view: RequestView, index: TextIndex, best: number): number {
    const text = this.#read(view);
    return text === undefined ? best : index.probe(text, view, best);
  }
}

export const PRINCIPAL: TextAttribute = new TextAttribute('source.principal', (view) => view.principal);
export const METHOD: TextAttribute = new TextAttribute('method', (view) => view.method);
export const HOST: TextAttribute = new TextAttribute('host', (view) => view.host);
export const SNI: TextAttribute = new TextAttribute('connection.sni', (view) => view.sni);
export const PATH: TextAttribute = new TextAttribute('path', (view) =>
  view.http === undefined ? undefined : view.path,
);

export class TextListMatcher implements AttributeMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #attribute: TextAttribute;
  readonly #matcher: TextMatcher;
  readonly #starMatchesEmpty: boolean;

  constructor(attribute: TextAttribute, values: readonly string[], options: TextMatcherOptions = {}) {
    this.#attribute = attribute;
    this.#starMatchesEmpty = options.starMatchesEmpty === true;
    this.#matcher = new TextMatcher(values, options);
    this.keys = textKeys(attribute, this.#matcher);
  }

  test(view: RequestView): boolean {
    const text = this.#attribute.read(view);
    return text !== undefined && this.#matcher.test(text);
  }

  seen(view: RequestView): string | undefined {
    return this.#attribute.read(view);
  }

  examples(view: RequestView): readonly string[] {
    const text = this.#attribute.read(view);
    if (text === undefined) return [];
    return this.#starMatchesEmpty ? [text, '*'] : [text];
  }
}

/** Keys of a whole list; none as soon as one value would be hit by almost anything. */
export function textKeys(source: TextSource, matcher: TextMatcher): readonly IndexKey[] | undefined {
  const keys: IndexKey[] = [];
  for (const pattern of matcher.patterns) {
    if (pattern.form === 'any') return undefined;
    if (pattern.form !== 'exact' && pattern.text.length < 2) return undefined;
    keys.push(textKey(source, pattern.form, pattern.text));
  }
  return keys;
}

/** `request.headers[name]`: every line on its own. */
export class HeaderMatcher implements AttributeMatcher, TextSource {
  readonly id: string;
  readonly keys: readonly IndexKey[] | undefined;
  readonly #name: string;
  readonly #matcher: TextMatcher;
  readonly #test: (value: string) => boolean;

  constructor(name: string, values: readonly string[]) {
    this.#name = name.toLowerCase();
    this.id = `request.headers[${this.#name}]`;
    this.#matcher = new TextMatcher(values, { starMatchesEmpty: true });
    this.#test = (value) => this.#matcher.test(value);
    this.keys = textKeys(this, this.#matcher);
  }

  test(view: RequestView): boolean {
    return view.someHeader(this.#name, this.#test);
  }

  seen(view: RequestView): string | undefined {
    const lines = this.#lines(view);
    return lines.length === 0 ? undefined : lines.join(', ');
  }

  examples(view: RequestView): readonly string[] {
    return [...this.#lines(view), '*'];
  }

  #lines(view: RequestView): readonly string[] {
    const lines: string[] = [];
    view.someHeader(this.#name, (line) => {
      lines.push(line);
      return false;
    });
    return lines;
  }

  probe(view: RequestView, index: TextIndex, known: number): number {
    let best = known;
    view.someHeader(this.#name, (line) => {
      best = index.probe(line, view, best);
      return false;
    });
    return best;
  }
}

/** A claim whose value is a text or a list of texts; numbers, booleans and objects never match. */
export class ClaimMatcher implements AttributeMatcher, TextSource {
  readonly id: string;
  readonly keys: readonly IndexKey[] | undefined;
  readonly #path: readonly string[];
  readonly #matcher: TextMatcher;

  constructor(path: readonly string[], values: readonly string[]) {
    this.#path = path;
    this.id = `request.auth.claims[${path.join('][')}]`;
    this.#matcher = new TextMatcher(values);
    this.keys = textKeys(this, this.#matcher);
  }

  test(view: RequestView): boolean {
    const value = view.claim(this.#path);
    if (typeof value === 'string') return this.#matcher.test(value);
    return isList(value) && value.some((item) => typeof item === 'string' && this.#matcher.test(item));
  }

  seen(view: RequestView): string | undefined {
    const value = view.claim(this.#path);
    if (value === undefined) return undefined;
    return typeof value === 'string' ? value : JSON.stringify(value);
  }

  examples(view: RequestView): readonly string[] {
    const value = view.claim(this.#path);
    return (isList(value) ? value : [value]).filter((item) => typeof item === 'string');
  }

  probe(view: RequestView, index: TextIndex, known: number): number {
    const value = view.claim(this.#path);
    if (typeof value === 'string') return index.probe(value, view, known);
    let best = known;
    if (isList(value)) for (const item of value) if (typeof item === 'string') best = index.probe(item, view, best);
    return best;
  }
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

class AddressAttribute implements AddressSource {
  readonly id: AddressRole;

  constructor(id: AddressRole) {
    this.id = id;
  }

  address(view: RequestView): IpAddress {
    return view.address(this.id);
  }
}

const ADDRESSES: Readonly<Record<AddressRole, AddressAttribute>> = {
  'source.ip': new AddressAttribute('source.ip'),
  'remote.ip': new AddressAttribute('remote.ip'),
  'destination.ip': new AddressAttribute('destination.ip'),
};

export class BlockMatcher implements AttributeMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #source: AddressAttribute;
  readonly #blocks: readonly IpBlock[];

  constructor(role: AddressRole, blocks: readonly IpBlock[]) {
    this.#source = ADDRESSES[role];
    this.#blocks = blocks;
    const indexable = blocks.every((block) => block.bits > 0);
    this.keys = indexable ? blocks.map((block) => blockKey(this.#source, block)) : undefined;
  }

  test(view: RequestView): boolean {
    const address = this.#source.address(view);
    for (const block of this.#blocks) if (blockContains(block, address)) return true;
    return false;
  }

  seen(view: RequestView): string | undefined {
    return view.addressText(this.#source.id);
  }

  examples(view: RequestView): readonly string[] {
    const text = view.addressText(this.#source.id);
    return text === undefined ? [] : [text, view.address(this.#source.id).text];
  }
}

/** Ports are known when a program is compiled: the answer is a constant. */
export class PortMatcher implements AttributeMatcher {
  readonly keys = undefined;
  readonly constant: boolean;
  readonly #port: number;

  constructor(ports: readonly number[], port: number) {
    this.#port = port;
    this.constant = ports.includes(port);
  }

  test(): boolean {
    return this.constant;
  }

  /** A program for the ports that no rule names has none of its own. */
  seen(view: RequestView): string {
    return String(view.attributes.destination?.port ?? this.#port);
  }

  examples(view: RequestView): readonly string[] {
    return [this.seen(view)];
  }
}

/** For attributes that are never there: dynamic metadata of other filters, a token at CUSTOM time. */
export const ABSENT: AttributeMatcher = {
  keys: undefined,
  test: () => false,
  seen: () => undefined,
  examples: () => [],
};
