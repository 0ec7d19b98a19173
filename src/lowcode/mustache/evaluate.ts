/**
 * Evaluation of `{{ }}` templates. A template that is one expression and nothing else keeps its type; within a text
 * values are written as JavaScript writes them, `null` and `undefined` as nothing.
 *
 * Names mean, in this order: a secret, an answer of an earlier call (`query.data`), a value the caller provides for
 * what would be a widget on a screen.
 * @module
 */
import { assertNever, didYouMean, type Instant, type Rng } from '../../core/index.ts';
import { bounded, isList, isObject, type Json, jsonEquals, memberOf, objectOf, typeName } from '../json.ts';
import { expressionError } from '../wdl/expression.ts';
import { textOf as wdlText } from '../wdl/scope.ts';
import { encodeUri, toBase64, uuidOf } from '../wdl/text-functions.ts';
import { eachPart, type MustacheExpression, parseMustache, pathOf } from './expression.ts';

export interface MustacheScope {
  readonly now: Instant;
  readonly rng: Rng;
  /** The value of a secret. @throws MeshError where it is not set */
  readonly secret: (name: string) => string;
  readonly names: ReadonlyMap<string, Json>;
  /** Told of every function's arguments and result, so that texts made from secrets can be hidden as well. */
  readonly onResult?: (args: readonly Json[], result: Json) => void;
}

type Call = (args: readonly Json[], scope: MustacheScope) => Json;

const FUNCTIONS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['generateUUID', (_, { rng }) => uuidOf(rng.bytes(16))],
  ['uuid', (_, { rng }) => uuidOf(rng.bytes(16))],
  ['uuid.v4', (_, { rng }) => uuidOf(rng.bytes(16))],
  ['encodeURIComponent', ([value = null]) => encodeUri(textOf(value))],
  ['btoa', ([value = null]) => toBase64(textOf(value))],
  ['JSON.stringify', ([value = null]) => JSON.stringify(value)],
  ['Date.now', (_, { now }) => now],
]);

/** Where the products keep what is set outside the app: everything below is a secret. */
const SECRET_ROOTS: readonly string[] = ['environment.variables', 'environment.secrets', 'retoolContext.configVars'];

/** The secret an expression reads: a name in upper case, or a member of the environment. */
export function secretOf(expression: MustacheExpression): string | undefined {
  if (expression.kind === 'name')
    return /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(expression.name) && expression.name.length > 1
      ? expression.name
      : undefined;
  const path = pathOf(expression);
  const root = path === undefined ? undefined : SECRET_ROOTS.find((candidate) => path.startsWith(`${candidate}.`));
  const name = root === undefined ? undefined : path?.slice(root.length + 1);
  return name === undefined || name.includes('.') ? undefined : name;
}

/** The secrets a template reads. */
export function secretsIn(template: string): readonly string[] {
  const found = new Set<string>();
  for (const part of mustacheParts(template)) {
    if (typeof part !== 'string') {
      eachPart(part, (node) => {
        const name = secretOf(node);
        if (name !== undefined) found.add(name);
      });
    }
  }
  return [...found];
}

/**
 * Refuses what would not evaluate whatever the names mean: bad syntax and unknown functions.
 * @throws MeshError `ERR_EXPRESSION` with the character in `details`
 */
export function checkMustache(template: string): void {
  for (const part of mustacheParts(template)) {
    if (typeof part === 'string') continue;
    eachPart(part, (node) => {
      if (node.kind !== 'call' || FUNCTIONS.has(node.name)) return;
      throw expressionError(`unknown function \`${node.name}\`${didYouMean(node.name, FUNCTIONS.keys())}`, node.at);
    });
  }
}

/**
 * The value of a template: texts are evaluated, objects and arrays member by member, anything else is itself.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function evaluateMustache(template: Json, scope: MustacheScope): Json {
  if (typeof template === 'string') {
    const parts = mustacheParts(template);
    const [only] = parts;
    if (parts.length === 1 && only !== undefined && typeof only !== 'string') return bounded(evaluate(only, scope));
    return bounded(parts.map((part) => (typeof part === 'string' ? part : textOf(evaluate(part, scope)))).join(''));
  }
  if (isList(template)) return bounded(template.map((item) => evaluateMustache(item, scope)));
  if (!isObject(template)) return template;
  return bounded(
    objectOf(Object.entries(template).map(([key, item]) => [key, evaluateMustache(item, scope)] as const)),
  );
}

/**
 * Texts and expressions of a template, in order.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function mustacheParts(template: string): readonly (string | MustacheExpression)[] {
  const parts: (string | MustacheExpression)[] = [];
  let offset = 0;
  for (;;) {
    const open = template.indexOf('{{', offset);
    if (open > offset || (open < 0 && offset < template.length)) {
      parts.push(template.slice(offset, open < 0 ? undefined : open));
    }
    if (open < 0) return parts;
    const close = closing(template, open + 2);
    if (close < 0) throw expressionError('`{{` is never closed', open + 1);
    parts.push(parseMustache(template.slice(open + 2, close), open + 2));
    offset = close + 2;
  }
}

/** The `}}` that ends an expression; one within a quoted text does not. */
function closing(template: string, from: number): number {
  const pattern = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\}\}/g;
  pattern.lastIndex = from;
  for (let found = pattern.exec(template); found !== null; found = pattern.exec(template)) {
    if (found[0] === '}}') return found.index;
  }
  return -1;
}

function evaluate(expression: MustacheExpression, scope: MustacheScope): Json {
  const secret = secretOf(expression);
  if (secret !== undefined && !(expression.kind === 'name' && scope.names.has(expression.name))) {
    return scope.secret(secret);
  }
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'name':
      return nameValue(expression.name, expression.at, scope);
    case 'member':
      return memberValue(expression, scope);
    case 'call':
      return callValue(expression, scope);
    case 'not':
      return !truthy(evaluate(expression.operand, scope));
    case 'binary':
      return binaryValue(expression, scope);
    case 'conditional':
      return evaluate(truthy(evaluate(expression.test, scope)) ? expression.whenTrue : expression.whenFalse, scope);
  }
  return assertNever(expression);
}

function nameValue(name: string, at: number, { names }: MustacheScope): Json {
  const value = names.get(name);
  if (value === undefined) {
    throw expressionError(`\`${name}\` has no value here${didYouMean(name, names.keys())}`, at);
  }
  return value;
}

function memberValue(expression: Extract<MustacheExpression, { kind: 'member' }>, scope: MustacheScope): Json {
  const target = evaluate(expression.target, scope);
  const key = evaluate(expression.key, scope);
  if (target === null) {
    if (expression.safe) return null;
    throw expressionError(`member \`${wdlText(key)}\` of nothing cannot be read`, expression.at);
  }
  if (typeof key !== 'string' && typeof key !== 'number') {
    throw expressionError(`a member is named by text or a number, not by ${typeName(key)}`, expression.at);
  }
  if (key === 'length' && (isList(target) || typeof target === 'string')) return target.length;
  return memberOf(target, key) ?? null;
}

function callValue({ name, args, at }: Extract<MustacheExpression, { kind: 'call' }>, scope: MustacheScope): Json {
  const call = FUNCTIONS.get(name);
  if (call === undefined) {
    throw expressionError(`unknown function \`${name}\`${didYouMean(name, FUNCTIONS.keys())}`, at);
  }
  const values = args.map((arg) => evaluate(arg, scope));
  const result = bounded(call(values, scope));
  scope.onResult?.(values, result);
  return result;
}

function binaryValue(
  { operator, left, right }: Extract<MustacheExpression, { kind: 'binary' }>,
  scope: MustacheScope,
): Json {
  const value = evaluate(left, scope);
  switch (operator) {
    case '||':
      return truthy(value) ? value : evaluate(right, scope);
    case '&&':
      return truthy(value) ? evaluate(right, scope) : value;
    case '??':
      return value ?? evaluate(right, scope);
    case '==':
      return jsonEquals(value, evaluate(right, scope));
    case '!=':
      return !jsonEquals(value, evaluate(right, scope));
  }
  return assertNever(operator);
}

function truthy(value: Json): boolean {
  return value !== null && value !== false && value !== 0 && value !== '';
}

function textOf(value: Json): string {
  return typeof value === 'boolean' ? String(value) : wdlText(value);
}
