/**
 * Syntax of what stands between `{{` and `}}`: a small part of JavaScript, enough for what templates of requests hold.
 *
 *     conditional = either [ "?" conditional ":" conditional ]
 *     either      = both { ("||" | "??") both }
 *     both        = equality { "&&" equality }
 *     equality    = unary { ("==" | "===" | "!=" | "!==") unary }
 *     unary       = { "!" } path
 *     path        = primary { "." name | "?." name | "[" conditional "]" | "?.[" conditional "]" | "(" arguments ")" }
 *     primary     = name | text | number | true | false | null | undefined | "(" conditional ")"
 *
 * The products run full JavaScript here. Everything else of it is refused with a position, never run.
 * @module
 */
import { assertNever, type MeshError } from '../../core/index.ts';
import { EXPRESSION_DEPTH_MAX, EXPRESSION_LENGTH_MAX, expressionError } from '../wdl/expression.ts';

export type BinaryOperator = '||' | '??' | '&&' | '==' | '!=';

/** `at` counts characters from 1 within the template string. */
export type MustacheExpression =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null; readonly at: number }
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'member';
      readonly target: MustacheExpression;
      readonly key: MustacheExpression;
      readonly safe: boolean;
      readonly at: number;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly MustacheExpression[]; readonly at: number }
  | { readonly kind: 'not'; readonly operand: MustacheExpression; readonly at: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: MustacheExpression;
      readonly right: MustacheExpression;
      readonly at: number;
    }
  | {
      readonly kind: 'conditional';
      readonly test: MustacheExpression;
      readonly whenTrue: MustacheExpression;
      readonly whenFalse: MustacheExpression;
      readonly at: number;
    };

const TOKEN =
  /\s*(?:([A-Za-z_$][\w$]*)|(\d+(?:\.\d+)?)|('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(===|!==|==|!=|\|\||&&|\?\?|\?\.(?!\d)|[.[\]()!?:,-]))/y;
const OPERATORS: Readonly<Record<string, BinaryOperator>> = {
  '||': '||',
  '??': '??',
  '&&': '&&',
  '==': '==',
  '===': '==',
  '!=': '!=',
  '!==': '!=',
};
/** Loosest first. */
const LEVELS: readonly (readonly string[])[] = [['||', '??'], ['&&'], ['==', '===', '!=', '!==']];

interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'punctuator' | 'end';
  readonly text: string;
  readonly at: number;
}

/**
 * Parses the whole of `text`.
 * @param offset where `text` begins in the template, for positions
 * @throws MeshError `ERR_EXPRESSION`
 */
export function parseMustache(text: string, offset = 0): MustacheExpression {
  const parser = new Parser(tokensOf(text, offset));
  const expression = parser.conditional(0);
  parser.end();
  return expression;
}

function tokensOf(text: string, offset: number): readonly Token[] {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw expressionError(`an expression is longer than ${EXPRESSION_LENGTH_MAX} characters`, offset + 1);
  }
  const tokens: Token[] = [];
  const body = text.trimEnd();
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < body.length;) {
    const start = TOKEN.lastIndex;
    const found = TOKEN.exec(body);
    if (found === null) {
      const at = start + (/\S/.exec(body.slice(start))?.index ?? 0);
      throw expressionError(`\`${body.charAt(at)}\` is beyond the modelled part of JavaScript`, offset + at + 1);
    }
    const [whole, name, number, quoted, punctuator] = found;
    const token = name ?? number ?? quoted ?? punctuator ?? '';
    const at = offset + start + (whole.length - token.length) + 1;
    if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: unquote(quoted), at });
    else tokens.push({ kind: 'punctuator', text: token, at });
  }
  tokens.push({ kind: 'end', text: '', at: offset + body.length + 1 });
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', '0': '\0' };

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/g, (_, u?: string, x?: string, char = '') => {
      const hex = u ?? x;
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return Object.hasOwn(ESCAPES, char) ? (ESCAPES[char] ?? char) : char;
    });
}

class Parser {
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  conditional(depth: number): MustacheExpression {
    const { at } = this.#peek();
    if (depth > EXPRESSION_DEPTH_MAX) {
      throw expressionError(`an expression nests more than ${EXPRESSION_DEPTH_MAX} levels`, at);
    }
    const test = this.#binary(0, depth);
    if (!this.#skip('?')) return test;
    const whenTrue = this.conditional(depth + 1);
    this.#take(':');
    return { kind: 'conditional', test, whenTrue, whenFalse: this.conditional(depth + 1), at };
  }

  end(): void {
    if (this.#peek().kind !== 'end') throw this.#unexpected();
  }

  #binary(level: number, depth: number): MustacheExpression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary(depth);
    let left = this.#binary(level + 1, depth);
    for (let links = depth; ; links++) {
      const { kind, text, at } = this.#peek();
      const operator = kind === 'punctuator' && operators.includes(text) ? OPERATORS[text] : undefined;
      if (operator === undefined) return left;
      this.#index++;
      this.#bound(links, at);
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1, depth), at };
    }
  }

  #unary(depth: number): MustacheExpression {
    const { at } = this.#peek();
    if (!this.#skip('!')) return this.#path(depth);
    this.#bound(depth, at);
    return { kind: 'not', operand: this.#unary(depth + 1), at };
  }

  #path(depth: number): MustacheExpression {
    let target = this.#primary(depth);
    for (let links = depth; ; links++) {
      const { at } = this.#peek();
      if (this.#skip('(')) target = this.#call(target, at, depth);
      else {
        const safe = this.#skip('?.');
        if (this.#skip('[')) {
          const key = this.conditional(depth + 1);
          this.#take(']');
          target = { kind: 'member', target, key, safe, at };
        } else if (safe || this.#skip('.')) {
          const name = this.#next();
          if (name.kind !== 'name') throw this.#unexpected(name);
          target = { kind: 'member', target, key: { kind: 'literal', value: name.text, at: name.at }, safe, at };
        } else return target;
      }
      this.#bound(links, at);
    }
  }

  /** Only functions of a known name are called: `generateUUID()`, `JSON.stringify(x)`. */
  #call(target: MustacheExpression, at: number, depth: number): MustacheExpression {
    const name = pathOf(target);
    if (name === undefined) throw expressionError('only a named function can be called', at);
    const args: MustacheExpression[] = [];
    if (!this.#skip(')')) {
      do args.push(this.conditional(depth + 1));
      while (this.#skip(','));
      this.#take(')');
    }
    return { kind: 'call', name, args, at: target.at };
  }

  #primary(depth: number): MustacheExpression {
    const token = this.#next();
    const { text, at } = token;
    if (token.kind === 'text') return { kind: 'literal', value: text, at };
    if (token.kind === 'number') return { kind: 'literal', value: Number(text), at };
    if (token.kind === 'punctuator' && text === '-' && this.#peek().kind === 'number') {
      return { kind: 'literal', value: -Number(this.#next().text), at };
    }
    if (token.kind === 'punctuator' && text === '(') {
      const inner = this.conditional(depth + 1);
      this.#take(')');
      return inner;
    }
    if (token.kind !== 'name') throw this.#unexpected(token);
    if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true', at };
    if (text === 'null' || text === 'undefined') return { kind: 'literal', value: null, at };
    return { kind: 'name', name: text, at };
  }

  #bound(depth: number, at: number): void {
    if (depth < EXPRESSION_DEPTH_MAX) return;
    throw expressionError(`an expression nests more than ${EXPRESSION_DEPTH_MAX} levels`, at);
  }

  #skip(punctuator: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== 'punctuator' || text !== punctuator) return false;
    this.#index++;
    return true;
  }

  #take(punctuator: string): void {
    if (!this.#skip(punctuator)) throw this.#unexpected(this.#peek(), punctuator);
  }

  #next(): Token {
    const token = this.#peek();
    this.#index++;
    return token;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#index, this.#tokens.length - 1)] ?? { kind: 'end', text: '', at: 1 };
  }

  #unexpected(token: Token = this.#peek(), expected?: string): MeshError {
    const wanted = expected === undefined ? '' : ` instead of \`${expected}\``;
    return expressionError(`unexpected ${token.kind === 'end' ? 'end' : `\`${token.text}\``}${wanted}`, token.at);
  }
}

/** `a.b.c` where the expression is such a path. */
export function pathOf(expression: MustacheExpression): string | undefined {
  if (expression.kind === 'name') return expression.name;
  if (expression.kind !== 'member' || expression.safe || expression.key.kind !== 'literal') return undefined;
  const target = pathOf(expression.target);
  return target === undefined || typeof expression.key.value !== 'string'
    ? undefined
    : `${target}.${expression.key.value}`;
}

/** Writes an expression so that parsing it gives an equal one, positions aside. */
export function printMustache(expression: MustacheExpression): string {
  switch (expression.kind) {
    case 'literal':
      return typeof expression.value === 'string' ? quote(expression.value) : String(expression.value);
    case 'name':
      return expression.name;
    case 'member':
      return `${operand(expression.target)}${expression.safe ? '?.' : ''}[${printMustache(expression.key)}]`;
    case 'call':
      return `${expression.name}(${expression.args.map(printMustache).join(', ')})`;
    case 'not':
      return `!${operand(expression.operand)}`;
    case 'binary':
      return `${operand(expression.left)} ${expression.operator} ${operand(expression.right)}`;
    case 'conditional':
      return `${operand(expression.test)} ? ${operand(expression.whenTrue)} : ${operand(expression.whenFalse)}`;
  }
  return assertNever(expression);
}

function operand(expression: MustacheExpression): string {
  const text = printMustache(expression);
  return ['binary', 'conditional', 'not'].includes(expression.kind) ? `(${text})` : text;
}

function quote(text: string): string {
  const escaped = text.replaceAll(/[\\']/g, String.raw`\$&`).replaceAll('\n', String.raw`\n`);
  return `'${escaped.replaceAll('\r', String.raw`\r`)}'`;
}

/** Calls `visit` with every part of the expression, outermost first. */
export function eachPart(expression: MustacheExpression, visit: (part: MustacheExpression) => void): void {
  visit(expression);
  switch (expression.kind) {
    case 'literal':
    case 'name':
      return;
    case 'member':
      eachPart(expression.target, visit);
      return eachPart(expression.key, visit);
    case 'call':
      for (const arg of expression.args) eachPart(arg, visit);
      return;
    case 'not':
      return eachPart(expression.operand, visit);
    case 'binary':
      eachPart(expression.left, visit);
      return eachPart(expression.right, visit);
    case 'conditional':
      eachPart(expression.test, visit);
      eachPart(expression.whenTrue, visit);
      eachPart(expression.whenFalse, visit);
  }
}
