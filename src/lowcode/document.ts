/**
 * YAML or JSON text as a tree in which every value knows its line and column, read without ever building an object
 * from the text, so that no key of it can mean anything to JavaScript.
 *
 * Anchors, aliases and tags are refused: no tool writes them and they hide what a file says. Nesting is bounded before
 * the parser sees the text, because the parser itself recurses.
 * @module
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type ParsedNode } from 'yaml';
import { assertNever, MeshError } from '../core/index.ts';
import type { SourcePosition } from '../istio/index.ts';
import { type Json, objectOf } from './json.ts';

/** Characters an export may have. */
export const DOCUMENT_SIZE_MAX = 5_000_000;
/** Levels of nesting an export may have. */
export const DOCUMENT_DEPTH_MAX = 100;

export type DocumentNode = DocumentMap | DocumentList | DocumentScalar;

export interface DocumentMap {
  readonly kind: 'map';
  readonly entries: readonly DocumentEntry[];
  readonly position: SourcePosition;
}

export interface DocumentEntry {
  readonly key: string;
  readonly keyPosition: SourcePosition;
  readonly value: DocumentNode;
}

export interface DocumentList {
  readonly kind: 'list';
  readonly items: readonly DocumentNode[];
  readonly position: SourcePosition;
}

export interface DocumentScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly position: SourcePosition;
}

/** `ERR_LOWCODE_INVALID` at a place. */
export function invalid(message: string, at: SourcePosition, cause?: unknown): MeshError {
  return new MeshError('ERR_LOWCODE_INVALID', `${formatPosition(at)}: ${message}`, {
    details: { ...at },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** `file:line:column` */
export function formatPosition(at: SourcePosition): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/**
 * Reads one YAML or JSON document.
 * @throws MeshError `ERR_LOWCODE_INVALID`
 */
export function readDocument(text: string, file: string): DocumentNode {
  refuseExcess(text, file);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const at = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [document, second] = Array.isArray(documents) ? documents : [];
  if (document === undefined) throw invalid('the file is empty', { file, line: 1, column: 1 });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw invalid(firstLine(problem.message), at(problem.pos[0]), problem);
  if (second !== undefined) throw invalid('one document was expected, here starts a second', at(second.range[0]));
  if (document.contents === null) throw invalid('the file is empty', { file, line: 1, column: 1 });
  return convert(document.contents, at, 0);
}

function convert(node: ParsedNode | null, at: (offset: number) => SourcePosition, depth: number): DocumentNode {
  if (node === null) return { kind: 'scalar', value: null, position: at(0) };
  const position = at(node.range[0]);
  if (depth > DOCUMENT_DEPTH_MAX) throw invalid(`nested more than ${DOCUMENT_DEPTH_MAX} levels deep`, position);
  if (isAlias(node)) throw invalid('aliases are not supported', position);
  if (node.anchor !== undefined) throw invalid('anchors are not supported', position);
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): DocumentEntry => {
      const keyPosition = at(key.range[0]);
      if (!isScalar(key)) throw invalid('a key must be text', keyPosition);
      const valueNode = value === null ? scalar(null, keyPosition) : convert(value, at, depth + 1);
      return { key: String(key.value), keyPosition, value: valueNode };
    });
    return { kind: 'map', entries, position };
  }
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => convert(item, at, depth + 1)), position };
  const { value } = node;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return scalar(value, position);
  if (typeof value === 'number' && Number.isFinite(value)) return scalar(value, position);
  throw invalid('a value must be text, a number, true, false or null', position);
}

function scalar(value: DocumentScalar['value'], position: SourcePosition): DocumentScalar {
  return { kind: 'scalar', value, position };
}

/** The tree as plain JSON. */
export function jsonOf(node: DocumentNode): Json {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(jsonOf);
    case 'map':
      return objectOf(node.entries.map(({ key, value }) => [key, jsonOf(value)] as const));
  }
  return assertNever(node);
}

/** Calls `visit` with every text in the tree and where it stands. */
export function eachText(node: DocumentNode, visit: (text: string, at: SourcePosition) => void): void {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'string') visit(node.value, node.position);
  } else if (node.kind === 'list') for (const item of node.items) eachText(item, visit);
  else for (const { value } of node.entries) eachText(value, visit);
}

/** Linear in the text: brackets, compact block indicators and indentation are all that can nest. */
function refuseExcess(text: string, file: string): void {
  if (text.length > DOCUMENT_SIZE_MAX) {
    throw invalid(`the file is longer than ${DOCUMENT_SIZE_MAX} characters`, { file, line: 1, column: 1 });
  }
  let depth = 0;
  text.split('\n').forEach((line, index) => {
    for (const char of line) {
      if (char === '[' || char === '{') depth++;
      else if ((char === ']' || char === '}') && depth > 0) depth--;
      if (depth > 4 * DOCUMENT_DEPTH_MAX) break;
    }
    const indicators = /^[ \t?:-]*/.exec(line)?.[0].length ?? 0;
    if (depth > 4 * DOCUMENT_DEPTH_MAX || indicators > 8 * DOCUMENT_DEPTH_MAX) {
      throw invalid(`nested more than ${DOCUMENT_DEPTH_MAX} levels deep`, { file, line: index + 1, column: 1 });
    }
  });
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/[.:]$/, '');
}
