/**
 * Plain values that remember where in a YAML text they were written.
 *
 * Positions are found on demand by walking the syntax tree, so a reader pays only for the positions it asks for.
 * @module
 */
import { isAlias, isMap, isScalar, isSeq, type Document, type LineCounter, type Node } from 'yaml';
import type { ConfigPath } from './config-error.ts';
import type { ResourceOrigin, SourcePosition } from './resource.ts';

/** One document of a text, or one item of a `List` in it. */
export interface SourceObject {
  readonly value: unknown;
  readonly origin: DocumentOrigin;
}

/** The piece of text that a document was parsed from. */
export interface DocumentLines {
  readonly text: string;
  readonly counter: LineCounter;
  /** How many lines of the file stand before the piece. */
  readonly before: number;
}

/** Where the values of one resource were written. Line and column of the resource itself are those of its first key. */
export class DocumentOrigin implements ResourceOrigin {
  readonly file: string;
  readonly #document: Document;
  readonly #lines: DocumentLines;
  readonly #prefix: ConfigPath;
  #start: SourcePosition | undefined;

  constructor(file: string, document: Document, lines: DocumentLines, prefix: ConfigPath = []) {
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
    const [from = 0, to] = node.range ?? [];
    const body = this.#lines.text.slice(this.#lines.text.indexOf('\n', from) + 1, to);
    return { file: this.file, line: start.line + line, column: column + indentOf(body) };
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
    const { line, col } = this.#lines.counter.linePos(offset);
    return { file: this.file, line: this.#lines.before + Math.max(1, line), column: Math.max(1, col) };
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

/** The node where it was written at all: an empty value has a node too, behind the colon, and its key is the better place. */
export function written(node: Node | null | undefined): Node | undefined {
  return isScalar(node) && node.value === null ? undefined : (node ?? undefined);
}

function indentOf(source: string): number {
  return /^(?:[ \t]*\n)*( *)/.exec(source)?.[1]?.length ?? 0;
}
