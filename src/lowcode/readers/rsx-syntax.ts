/**
 * The syntax of Retool's Toolscript files (`.rsx`): elements with attributes, as in JSX. Values in braces are read where
 * they are literals; anything else of JavaScript in them is kept as `undefined`, never run.
 * @module
 */
import type { SourcePosition } from '../../istio/index.ts';
import { DOCUMENT_DEPTH_MAX, DOCUMENT_SIZE_MAX, invalid } from '../document.ts';
import { type Json, parseJson } from '../json.ts';

export interface RsxElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, RsxAttribute>;
  readonly children: readonly RsxElement[];
  readonly position: SourcePosition;
}

export interface RsxAttribute {
  /** Absent where the value is code. */
  readonly value?: Json;
  readonly position: SourcePosition;
}

interface OpenElement extends RsxElement {
  readonly children: RsxElement[];
}

/** @throws MeshError `ERR_LOWCODE_INVALID` */
export function parseRsx(text: string, file: string): readonly RsxElement[] {
  return new RsxParser(text, file).parse();
}

const TAG = /<(\/?)([A-Za-z][\w.]*)?/y;
const ATTRIBUTE = /\s*([A-Za-z_][\w:.-]*)(\s*=\s*)?/y;
const CLOSE = /\s*(\/?)>/y;
const SPACE = /\s*/y;

class RsxParser {
  readonly #text: string;
  readonly #file: string;
  readonly #lineStarts: readonly number[];
  #offset = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
    if (text.length > DOCUMENT_SIZE_MAX) throw this.#error('the file is too long', 0);
  }

  parse(): readonly RsxElement[] {
    const roots: RsxElement[] = [];
    const open: OpenElement[] = [];
    for (;;) {
      this.#skipText();
      const start = this.#offset;
      const tag = this.#match(TAG);
      if (tag === undefined) break;
      const [, slash, name = ''] = tag;
      if (slash === '/') {
        const closed = open.pop();
        if (closed === undefined || closed.name !== name) throw this.#error(`\`</${name}>\` closes nothing`, start);
        this.#close();
        continue;
      }
      const element: OpenElement = { name, attributes: this.#attributes(), children: [], position: this.#at(start) };
      (open.at(-1)?.children ?? roots).push(element);
      if (!this.#close()) open.push(element);
      if (open.length > DOCUMENT_DEPTH_MAX) throw this.#error(`nested more than ${DOCUMENT_DEPTH_MAX} levels`, start);
    }
    const [unclosed] = open;
    if (unclosed !== undefined) throw invalid(`\`<${unclosed.name}>\` is never closed`, unclosed.position);
    return roots;
  }

  /** Text between tags; expressions in it, such as comments, are passed over whole. */
  #skipText(): void {
    while (this.#offset < this.#text.length && this.#text.charAt(this.#offset) !== '<') {
      if (this.#text.charAt(this.#offset) === '{') this.#braced();
      else this.#offset++;
    }
  }

  #attributes(): ReadonlyMap<string, RsxAttribute> {
    const attributes = new Map<string, RsxAttribute>();
    for (;;) {
      this.#match(SPACE);
      const start = this.#offset;
      const found = this.#match(ATTRIBUTE);
      if (found === undefined) return attributes;
      const [, name = '', equals] = found;
      const position = this.#at(start);
      attributes.set(name, equals === undefined ? { value: true, position } : { ...this.#value(), position });
    }
  }

  #value(): { readonly value?: Json } {
    const start = this.#offset;
    const quote = this.#text.charAt(start);
    if (quote === '{') {
      const value = literal(this.#braced().trim());
      return value === undefined ? {} : { value };
    }
    if (quote !== '"' && quote !== "'") throw this.#error('an attribute value must be quoted or in braces', start);
    const end = this.#text.indexOf(quote, start + 1);
    if (end < 0) throw this.#error('text is never closed', start);
    this.#offset = end + 1;
    return { value: unescapeEntities(this.#text.slice(start + 1, end)) };
  }

  /** What stands between a brace and its partner; braces within texts do not count. */
  #braced(): string {
    const start = this.#offset;
    const pattern = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"|`(?:[^`\\]|\\[^])*`|\/\*[^]*?\*\/|[{}]/g;
    pattern.lastIndex = start;
    let depth = 0;
    for (let found = pattern.exec(this.#text); found !== null; found = pattern.exec(this.#text)) {
      if (found[0] === '{') depth++;
      if (found[0] === '}') depth--;
      if (depth === 0) {
        this.#offset = pattern.lastIndex;
        return this.#text.slice(start + 1, this.#offset - 1);
      }
    }
    throw this.#error('`{` is never closed', start);
  }

  #close(): boolean {
    const found = this.#match(CLOSE);
    if (found === undefined) throw this.#error('`>` is missing', this.#offset);
    return found[1] === '/';
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#offset = pattern.lastIndex;
    return found;
  }

  #error(message: string, offset: number): Error {
    return invalid(message, this.#at(offset));
  }

  #at(offset: number): SourcePosition {
    let [low, high] = [0, this.#lineStarts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.#file, line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** A literal of JavaScript: a text, or whatever JSON can say. */
function literal(code: string): Json | undefined {
  const quoted = /^(['"`])((?:(?!\1)[^\\]|\\[^])*)\1$/.exec(code);
  if (quoted !== null) {
    const [, quote, body = ''] = quoted;
    if (quote === '`' && body.includes('${')) return undefined;
    return body.replaceAll(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, hex?: string, char = '') =>
      hex === undefined ? (ESCAPES[String(char)] ?? String(char)) : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  try {
    return parseJson(code);
  } catch {
    return undefined;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', apos: "'", amp: '&', lt: '<', gt: '>' };

function unescapeEntities(text: string): string {
  return text.replaceAll(/&(quot|apos|amp|lt|gt);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
