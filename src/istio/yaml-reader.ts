/**
 * YAML text to plain values with positions. Plain `yes`, `no`, `on`, `off` are booleans and `010` is eight, as in the
 * YAML 1.1 that kubectl reads.
 * @module
 */
import {
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
  type Tags,
} from 'yaml';
import { messageOf } from '../core/errors.ts';
import { oneLine, type ConfigIssue } from './config-error.ts';
import { DocumentOrigin, written, type SourceObject } from './yaml-source.ts';

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

/** `0644`: octal to kubectl, as in YAML 1.1. */
const OCTAL_TAG = {
  identify: (): boolean => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0[0-7]+$/,
  resolve: (text: string): number => Number.parseInt(text, 8),
} as const;

export interface SourceText {
  readonly origin: string;
  readonly text: string;
  /** Nobody named the file: it was met in a folder, and may be no manifest at all. */
  readonly found?: boolean;
}

export interface SourceReading {
  readonly objects: readonly SourceObject[];
  readonly issues: readonly ConfigIssue[];
}

/**
 * Documents by their text. Handed to several readings, it has a document that stands in several files, or in a file that
 * is read again, parsed once; positions are still each file's own.
 */
export type DocumentCache = Map<string, ParsedText>;

/** A piece of text with its documents; lines and columns are counted within the piece. */
interface ParsedText {
  readonly objects: readonly { readonly value: unknown; readonly document: Document }[];
  readonly faults: readonly { readonly message: string; readonly line: number; readonly col: number }[];
  readonly lines: LineCounter;
}

/** Reads every document of `input`. Empty documents are skipped; a document with a syntax error gives issues. */
export function readYaml(input: SourceText, documents: DocumentCache = new Map()): SourceReading {
  const objects: SourceObject[] = [];
  const issues: ConfigIssue[] = [];
  let line = 0;
  // A carriage return alone ends a line too, which the parser does not know.
  for (const text of piecesOf(input.text.replaceAll(/\r(?!\n)/g, '\n'))) {
    const parsed = documents.get(text) ?? parseText(text);
    documents.set(text, parsed);
    for (const { value, document } of parsed.objects) {
      objects.push({
        value,
        origin: new DocumentOrigin(input.origin, document, { text, counter: parsed.lines, before: line }),
      });
    }
    for (const fault of parsed.faults) {
      const position = { file: input.origin, line: line + Math.max(1, fault.line), column: Math.max(1, fault.col) };
      issues.push({ code: 'ERR_CONFIG_SYNTAX', path: '', message: oneLine(fault.message), ...position });
    }
    line += text.split('\n').length - 1;
  }
  return { objects, issues };
}

/**
 * The text cut before every `---` at the start of a line: a document never reaches over one (YAML 1.2 §9.1.2). Not
 * where a line may be a directive, which stands before the `---` of its document.
 */
function piecesOf(text: string): readonly string[] {
  return /^%/m.test(text) ? [text] : text.split(/^(?=---(?:[ \t\r\n]|$))/m);
}

function parseText(text: string): ParsedText {
  const parsing = new Parsing(text);
  parsing.run();
  return parsing;
}

/** One parse in progress. */
class Parsing implements ParsedText {
  readonly objects: { readonly value: unknown; readonly document: Document }[] = [];
  readonly faults: { readonly message: string; readonly line: number; readonly col: number }[] = [];
  readonly lines = new LineCounter();
  readonly #text: string;
  readonly #deep: boolean;

  constructor(text: string) {
    this.#text = text;
    this.#deep = mayNestDeeply(text);
  }

  run(): void {
    const bottomless = this.#deep ? excessiveNesting(this.#text) : undefined;
    if (bottomless !== undefined) {
      // The parser, which counts the lines, has not been asked.
      const before = this.#text.slice(0, bottomless).split('\n');
      this.faults.push({ message: DEEP, line: before.length, col: (before.at(-1)?.length ?? 0) + 1 });
      return;
    }
    const hasFinalColons = /:[,\]]/.test(this.#text);
    for (const document of this.#documents()) {
      if (hasFinalColons) restoreFinalColons(document, this.#text);
      this.#read(document);
    }
  }

  #documents(): readonly Document[] {
    try {
      const documents = parseAllDocuments(this.#text, { ...OPTIONS, lineCounter: this.lines });
      return Array.isArray(documents) ? documents : [];
    } catch (error) {
      this.#fail(error instanceof RangeError ? 'nested too deeply' : messageOf(error));
      return [];
    }
  }

  #read(document: Document): void {
    const known = this.faults.length;
    for (const error of document.errors.slice(0, ERRORS_MAX)) this.#fail(error.message, error.pos[0]);
    const more = document.errors.length - ERRORS_MAX;
    if (more > 0) this.#fail(`and ${more} more faults of this document`);
    const deep = this.#deep ? tooDeep(document) : undefined;
    if (deep !== undefined) this.#fail(DEEP, deep);
    else if (this.#text.includes('*')) this.#refuseDanglingAliases(document);
    if (this.faults.length > known || document.contents === null) return;
    try {
      const value: unknown = document.toJS({ maxAliasCount: ALIAS_COUNT_MAX });
      if (value !== null) this.objects.push({ value, document });
    } catch (error) {
      this.#fail(messageOf(error), document.contents.range?.[0]);
    }
  }

  #refuseDanglingAliases(document: Document): void {
    const anchors = new Set<string>();
    let count = 0;
    visit(document, {
      Value: (_key, node) => {
        if (node.anchor !== undefined) anchors.add(node.anchor);
      },
      Alias: (_key, { source, range }) => {
        if (anchors.has(source) || ++count > ERRORS_MAX) return;
        this.#fail(`no anchor \`&${source}\` stands before \`*${source}\` in this document`, range?.[0]);
      },
    });
  }

  #fail(message: string, offset = 0): void {
    const hint = lineAt(this.#text, offset).includes('{{') ? '; render the template first (helm template)' : '';
    this.faults.push({ message: message + hint, ...this.lines.linePos(offset) });
  }
}

const OPTIONS = {
  prettyErrors: false,
  uniqueKeys: true,
  merge: true,
  logLevel: 'silent',
  customTags: (tags: Tags): Tags => [
    BOOLEAN_TAG,
    OCTAL_TAG,
    ...tags.filter((tag) => typeof tag === 'string' || tag.tag !== BOOLEAN_TAG.tag),
  ],
} as const;

function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1;
  const end = text.indexOf('\n', offset);
  return text.slice(start, end < 0 ? undefined : end);
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

/** Every level of nesting takes a bracket, an indicator on the line, or another column of indentation. */
function mayNestDeeply(text: string): boolean {
  let count = 0;
  for (const _ of text.matchAll(/[[{]|[-?][ \t]/g)) if (++count > NESTING_MAX / 2) return true;
  return DEEP_INDENT.test(text);
}

const DEEP_INDENT = new RegExp(String.raw`^ {${NESTING_MAX / 2},}`, 'm');

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
