/**
 * YAML text as plain values that remember where they were written.
 *
 * Positions are found on demand by walking the syntax tree, so a reader pays only for the positions it asks for. Plain
 * `yes`, `no`, `on`, `off` are booleans, as in the YAML 1.1 that kubectl reads.
 * @module
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseAllDocuments,
  Scalar,
  visit,
  type Document,
  type Node,
} from 'yaml';
import { messageOf } from '../core/errors.ts';
import { oneLine, type ConfigIssue, type ConfigPath } from './config-error.ts';
import type { ResourceOrigin, SourcePosition } from './resource.ts';

/** Aliases may expand to this many nodes per document: the bound against "billion laughs". */
const ALIAS_COUNT_MAX = 1_000;
/** Deeper nesting than any resource has, and shallow enough for every recursion. */
const NESTING_MAX = 200;
const DEEP = `nested deeper than ${NESTING_MAX} levels`;
/** One slip makes a parser stumble many times; the first stumbles say enough. */
const ERRORS_MAX = 10;

const BOOLEAN_TAG = {
  identify: (value: unknown): boolean => typeof value === 'boolean',
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test: /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|true|True|TRUE|false|False|FALSE)$/,
  resolve: (text: string): boolean => /^(?:y|on|t)/i.test(text) && text.toLowerCase() !== 'off',
} as const;

/** One document of a text, or one item of a `List` in it. */
export interface SourceObject {
  readonly value: unknown;
  readonly origin: DocumentOrigin;
}

/** Where the values of one resource were written. Line and column of the resource itself are those of its first key. */
export class DocumentOrigin implements ResourceOrigin {
  readonly file: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #prefix: ConfigPath;
  #start: SourcePosition | undefined;

  constructor(file: string, document: Document, lines: LineCounter, prefix: ConfigPath = []) {
    this.file = file;
    this.#document = document;
    this.#lines = lines;
    this.#prefix = prefix;
  }

  get line(): number {
    return this.#own().line;
  }

  get column(): number {
    return this.#own().column;
  }

  position(path: ConfigPath): SourcePosition {
    return this.#at(this.#walk(path).value);
  }

  /** Where the last key of `path` stands; for a list item, the item. */
  keyPosition(path: ConfigPath): SourcePosition {
    const { key, value } = this.#walk(path);
    return this.#at(key ?? value);
  }

  /** Where `line` and `column` of the text at `path` stand in the file; for text in quotes, where the text begins. */
  positionInText(path: ConfigPath, line: number, column: number): SourcePosition {
    const node = this.#walk(path).value;
    const start = this.#at(node);
    if (!isScalar(node) || (node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED')) return start;
    const indent = node.srcToken?.type === 'block-scalar' ? indentOf(node.srcToken.source) : 0;
    return { file: this.file, line: start.line + line, column: column + indent };
  }

  /** The origin of the object at `prefix` below this one. */
  below(prefix: ConfigPath): DocumentOrigin {
    return new DocumentOrigin(this.file, this.#document, this.#lines, [...this.#prefix, ...prefix]);
  }

  toJSON(): SourcePosition {
    return { file: this.file, line: this.line, column: this.column };
  }

  #own(): SourcePosition {
    this.#start ??= this.position([]);
    return this.#start;
  }

  #at(node: Node | undefined): SourcePosition {
    const offset = node?.range?.[0] ?? 0;
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** The deepest node on `path` that was written. */
  #walk(path: ConfigPath): { key: Node | undefined; value: Node | undefined } {
    let value: Node | undefined = this.#document.contents ?? undefined;
    let key: Node | undefined;
    for (const step of [...this.#prefix, ...path]) {
      const next = this.#child(value, step);
      if (next === undefined) break;
      ({ key, value } = next);
    }
    return { key, value };
  }

  #child(
    node: Node | undefined,
    step: string | number,
  ): { key: Node | undefined; value: Node | undefined } | undefined {
    const parent = this.#resolved(node);
    if (isSeq<Node>(parent)) {
      const item = parent.items[Number(step)];
      return item === undefined ? undefined : { key: undefined, value: item };
    }
    if (!isMap<Node, Node | null>(parent)) return undefined;
    for (const pair of parent.items) {
      if (keyText(pair.key) === String(step)) return { key: pair.key, value: written(pair.value) ?? pair.key };
    }
    for (const pair of parent.items) {
      if (keyText(pair.key) !== '<<' || pair.value === null) continue;
      const merged = this.#resolved(pair.value);
      const sources = isSeq<Node>(merged) ? merged.items : [merged];
      for (const source of sources) {
        const found = this.#child(source, step);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #resolved(node: Node | undefined): Node | undefined {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }
}

function keyText(key: Node): string {
  return isScalar(key) ? String(key.value) : '';
}

/** An empty value has a node of its own behind the colon; the key is the better place to point at. */
function written(node: Node | null | undefined): Node | undefined {
  return isScalar(node) && node.value === null ? undefined : (node ?? undefined);
}

function indentOf(source: string): number {
  return /^(?:[ \t]*\n)*( *)/.exec(source)?.[1]?.length ?? 0;
}

export interface SourceText {
  readonly origin: string;
  readonly text: string;
}

export interface SourceReading {
  readonly objects: readonly SourceObject[];
  readonly issues: readonly ConfigIssue[];
}

/** Reads every document of `source`. Empty documents are skipped; a document with a syntax error gives issues. */
export function readYaml(source: SourceText): SourceReading {
  const lines = new LineCounter();
  const objects: SourceObject[] = [];
  const issues: ConfigIssue[] = [];
  const fail = (message: string, offset = 0): void => {
    const { line, col } = lines.linePos(offset);
    const position = { file: source.origin, line: Math.max(1, line), column: Math.max(1, col) };
    issues.push({ code: 'ERR_CONFIG_SYNTAX', path: '', message: oneLine(message), ...position });
  };
  const bottomless = excessiveNesting(source.text);
  if (bottomless !== undefined) {
    const before = source.text.slice(0, bottomless).split('\n');
    const position = { file: source.origin, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    return { objects, issues: [{ code: 'ERR_CONFIG_SYNTAX', path: '', message: DEEP, ...position }] };
  }
  for (const document of parsed(source.text, lines, fail)) {
    if (/:[,\]]/.test(source.text)) restoreFinalColons(document, source.text);
    const deep = tooDeep(document);
    for (const error of document.errors.slice(0, ERRORS_MAX)) fail(error.message, error.pos[0]);
    if (document.errors.length > ERRORS_MAX)
      fail(`and ${document.errors.length - ERRORS_MAX} more faults of this document`);
    if (deep !== undefined) fail(DEEP, deep);
    if (deep !== undefined || document.errors.length > 0 || document.contents === null) continue;
    const origin = new DocumentOrigin(source.origin, document, lines);
    try {
      const value: unknown = document.toJS({ maxAliasCount: ALIAS_COUNT_MAX });
      if (value !== null) objects.push({ value, origin });
    } catch (error) {
      fail(messageOf(error), document.contents.range?.[0]);
    }
  }
  return { objects, issues };
}

function parsed(text: string, lineCounter: LineCounter, fail: (message: string) => void): readonly Document[] {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter,
      prettyErrors: false,
      uniqueKeys: true,
      merge: true,
      keepSourceTokens: true,
      logLevel: 'silent',
      customTags: (tags) => [
        BOOLEAN_TAG,
        ...tags.filter((tag) => typeof tag === 'string' || tag.tag !== BOOLEAN_TAG.tag),
      ],
    });
    return Array.isArray(documents) ? documents : [];
  } catch (error) {
    fail(error instanceof RangeError ? 'nested too deeply' : messageOf(error));
    return [];
  }
}

/**
 * `[fd00::, fe80::]` is a list of two addresses to kubectl, whose YAML wants a blank behind the colon of a key. Here the
 * parser, which follows YAML 1.2, saw keys without values.
 */
function restoreFinalColons(document: Document, text: string): void {
  visit(document, {
    Seq: (_key, list) => {
      if (list.flow !== true) return;
      list.items.forEach((item, index) => {
        const pair = isMap<Node, Node | null>(item) && item.items.length === 1 ? item.items[0] : undefined;
        const [start, end] = isScalar(pair?.key) && pair.key.type === 'PLAIN' ? (pair.key.range ?? []) : [];
        if (start === undefined || end === undefined || written(pair?.value) !== undefined) return;
        if (!/^:[,\]]/.test(text.slice(end, end + 2))) return;
        const scalar = new Scalar(text.slice(start, end + 1));
        scalar.range = [start, end + 1, end + 1];
        list.items[index] = scalar;
      });
    },
  });
}

/** Document mode, flow-error end and scalar marks are the lexer's own: they stand for nothing in the text. */
const LEXER_MARKS: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f']);

/**
 * Where flow collections, or block indicators on one line, nest too deeply. The parser recurses, and a text of twenty
 * thousand brackets ends the process; the lexer does not. Lexed only where the text has that many brackets at all.
 */
function excessiveNesting(text: string): number | undefined {
  if (!mayNestDeeply(text)) return undefined;
  let [offset, flow, indicators] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    else if (token === '-' || token === '?') indicators++;
    else if (token.startsWith('\n') || token.startsWith('\r')) indicators = 0;
    if (flow > NESTING_MAX || indicators > NESTING_MAX) return offset;
    if (!LEXER_MARKS.has(token)) offset += token.length;
  }
  return undefined;
}

function mayNestDeeply(text: string): boolean {
  let count = 0;
  for (const _ of text.matchAll(/[[{]|[-?] /g)) if (++count > NESTING_MAX) return true;
  return false;
}

/** The offset of the first node that lies too deep. */
function tooDeep(document: Document): number | undefined {
  let found: number | undefined;
  visit(document, (_key, node, path) => {
    if (path.length <= 2 * NESTING_MAX) return undefined;
    found = isScalar(node) || isMap(node) || isSeq(node) ? (node.range?.[0] ?? 0) : 0;
    return visit.BREAK;
  });
  return found;
}
