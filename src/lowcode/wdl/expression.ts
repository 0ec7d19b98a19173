/**
 * Syntax of Workflow Definition Language expressions: calls, literals and member access.
 *
 *     expression = primary { "." name | "?." name | "[" expression "]" | "?[" expression "]" }
 *     primary    = name "(" [ expression { "," expression } ] ")" | 'text' | number | true | false | null
 *
 * In text a quote is written twice. There are no infix operators in this language.
 * Source: https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
 * @module
 */
import { assertNever, MeshError } from '../../core/index.ts';

/** Characters an expression may have: the limit the products state. */
export const EXPRESSION_LENGTH_MAX = 8192;
/** Levels of calls and members an expression may nest. */
export const EXPRESSION_DEPTH_MAX = 64;

/** `at` counts characters from 1 within the template string. */
export type WdlExpression =
  | {
      readonly kind: 'literal';
      readonly value: string | number | boolean | null;
      readonly at: number;
      readonly float?: true;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly WdlExpression[]; readonly at: number }
  | {
      readonly kind: 'member';
      readonly target: WdlExpression;
      readonly key: WdlExpression;
      /** `?` before the member: null where the target or the member is missing. */
      readonly safe: boolean;
      readonly at: number;
    };

/** `ERR_EXPRESSION` at a character of a template. */
export function expressionError(message: string, at: number): MeshError {
  return new MeshError('ERR_EXPRESSION', `character ${at}: ${message}`, { details: { character: at } });
}

export interface ParsedExpression {
  readonly expression: WdlExpression;
  /** Offset of the first character after the expression and the spaces that follow it. */
  readonly end: number;
}

/**
 * Parses the whole of `text`.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function parseExpression(text: string): WdlExpression {
  const { expression, end } = parseExpressionAt(text, 0);
  if (end < text.length) throw expressionError(`unexpected \`${text.charAt(end)}\``, end + 1);
  return expression;
}

/** Parses one expression that starts at `offset` of `text`; what follows is the caller's. */
export function parseExpressionAt(text: string, offset: number): ParsedExpression {
  const parser = new Parser(text, offset);
  const expression = parser.expression(0);
  parser.spaces();
  return { expression, end: parser.offset };
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /[+-]?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const SPACES = /\s*/y;

class Parser {
  readonly #text: string;
  readonly #start: number;
  offset: number;

  constructor(text: string, offset: number) {
    this.#text = text;
    this.#start = offset;
    this.offset = offset;
  }

  expression(depth: number): WdlExpression {
    if (depth > EXPRESSION_DEPTH_MAX) {
      throw expressionError(`an expression nests more than ${EXPRESSION_DEPTH_MAX} levels`, this.offset + 1);
    }
    let target = this.#primary(depth);
    for (let links = depth; ; links++) {
      const member = this.#member(target, links);
      if (member === undefined) return target;
      target = member;
    }
  }

  spaces(): void {
    this.#match(SPACES);
    if (this.offset - this.#start > EXPRESSION_LENGTH_MAX) {
      throw expressionError(`an expression is longer than ${EXPRESSION_LENGTH_MAX} characters`, this.#start + 1);
    }
  }

  #primary(depth: number): WdlExpression {
    this.spaces();
    const at = this.offset + 1;
    if (this.#peek() === "'") return { kind: 'literal', value: this.#quoted(), at };
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const value = Number(number);
      if (!Number.isFinite(value)) throw expressionError(`number \`${number}\` is out of range`, at);
      return { kind: 'literal', value, at, ...(/[.eE]/.test(number) ? { float: true as const } : {}) };
    }
    const name = this.#match(NAME);
    if (name === undefined) throw this.#unexpected();
    this.spaces();
    if (this.#peek() === '(') return { kind: 'call', name, args: this.#args(depth), at };
    if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true', at };
    if (name === 'null') return { kind: 'literal', value: null, at };
    throw expressionError(`\`${name}\` is neither a call nor a literal; text is written in single quotes`, at);
  }

  #args(depth: number): readonly WdlExpression[] {
    this.#take('(');
    this.spaces();
    if (this.#peek() === ')') {
      this.offset++;
      return [];
    }
    const args = [this.expression(depth + 1)];
    for (this.spaces(); this.#peek() === ','; this.spaces()) {
      this.offset++;
      args.push(this.expression(depth + 1));
    }
    this.#take(')');
    return args;
  }

  #member(target: WdlExpression, depth: number): WdlExpression | undefined {
    const before = this.offset;
    this.spaces();
    const at = this.offset + 1;
    const safe = this.#peek() === '?';
    if (safe) this.offset++;
    const opener = this.#peek();
    if (opener !== '.' && opener !== '[') {
      if (safe) throw this.#unexpected();
      this.offset = before;
      return undefined;
    }
    if (depth >= EXPRESSION_DEPTH_MAX) {
      throw expressionError(`an expression nests more than ${EXPRESSION_DEPTH_MAX} levels`, at);
    }
    this.offset++;
    if (opener === '.') {
      const keyAt = this.offset + 1;
      const name = this.#match(NAME);
      if (name === undefined) throw this.#unexpected();
      return { kind: 'member', target, key: { kind: 'literal', value: name, at: keyAt }, safe, at };
    }
    const key = this.expression(depth + 1);
    this.spaces();
    this.#take(']');
    return { kind: 'member', target, key, safe, at };
  }

  #quoted(): string {
    const at = this.offset + 1;
    let text = '';
    for (this.offset++; this.offset < this.#text.length; this.offset++) {
      const char = this.#text.charAt(this.offset);
      if (char !== "'") text += char;
      else if (this.#text.charAt(this.offset + 1) === "'") {
        text += "'";
        this.offset++;
      } else {
        this.offset++;
        return text;
      }
    }
    throw expressionError('text is never closed', at);
  }

  #take(char: string): void {
    if (this.#peek() !== char) throw this.#unexpected(char);
    this.offset++;
  }

  #peek(): string {
    return this.#text.charAt(this.offset);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.offset += found.length;
    return found;
  }

  #unexpected(expected?: string): MeshError {
    const wanted = expected === undefined ? '' : ` instead of \`${expected}\``;
    const char = this.#peek();
    return expressionError(`unexpected ${char === '' ? 'end' : `\`${char}\``}${wanted}`, this.offset + 1);
  }
}

/** Writes an expression so that parsing it gives an equal one, positions aside. */
export function printExpression(expression: WdlExpression): string {
  switch (expression.kind) {
    case 'literal':
      return printLiteral(expression.value, expression.float === true);
    case 'call':
      return `${expression.name}(${expression.args.map(printExpression).join(', ')})`;
    case 'member':
      return `${printExpression(expression.target)}${expression.safe ? '?' : ''}[${printExpression(expression.key)}]`;
  }
  return assertNever(expression);
}

function printLiteral(value: string | number | boolean | null, float: boolean): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  const text = String(value);
  return float && !/[.e]/.test(text) ? `${text}.0` : text;
}

/** Calls `visit` with every call of the expression, outermost first. */
export function eachCall(
  expression: WdlExpression,
  visit: (call: Extract<WdlExpression, { kind: 'call' }>) => void,
): void {
  if (expression.kind === 'call') {
    visit(expression);
    for (const arg of expression.args) eachCall(arg, visit);
  } else if (expression.kind === 'member') {
    eachCall(expression.target, visit);
    eachCall(expression.key, visit);
  }
}
