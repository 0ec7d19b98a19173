/**
 * Conditions of `If` actions: an expression, or the object form `{ and: [{ equals: [a, b] }, …] }`.
 * @module
 */
import { MeshError } from '../../core/index.ts';
import { isList, isObject, type Json, jsonEquals, typeName } from '../json.ts';

/** Comparisons the object form has, in the words of the function table. */
const COMPARISONS: Readonly<Record<string, (a: Json, b: Json) => boolean>> = {
  equals: jsonEquals,
  greater: (a, b) => ordered(a, b) > 0,
  greaterOrEquals: (a, b) => ordered(a, b) >= 0,
  less: (a, b) => ordered(a, b) < 0,
  lessOrEquals: (a, b) => ordered(a, b) <= 0,
  contains: (a, b) => (isList(a) ? a.some((item) => jsonEquals(item, b)) : text(a).includes(text(b))),
  startsWith: (a, b) => text(a).toLowerCase().startsWith(text(b).toLowerCase()),
  endsWith: (a, b) => text(a).toLowerCase().endsWith(text(b).toLowerCase()),
};

/** Names the object form of a condition may use. */
export const CONDITION_WORDS: readonly string[] = ['and', 'or', 'not', ...Object.keys(COMPARISONS)];

/** @throws MeshError `ERR_EXPRESSION` */
export function evaluateCondition(condition: Json, evaluate: (template: Json) => Json): boolean {
  if (isObject(condition)) return evaluateObject(condition, evaluate);
  const value = evaluate(condition);
  if (typeof value === 'boolean') return value;
  throw new MeshError('ERR_EXPRESSION', `a condition must be true or false, not ${typeName(value)}`);
}

function evaluateObject(condition: Json, evaluate: (template: Json) => Json): boolean {
  const entries = isObject(condition) ? Object.entries(condition) : [];
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) {
    throw new MeshError('ERR_EXPRESSION', 'a condition must have exactly one operator');
  }
  const [word, operands] = entry;
  if (word === 'not') return !evaluateCondition(isList(operands) ? (operands[0] ?? null) : operands, evaluate);
  if (!isList(operands)) throw new MeshError('ERR_EXPRESSION', `\`${word}\` needs a list of operands`);
  if (word === 'and') return operands.every((operand) => evaluateCondition(operand, evaluate));
  if (word === 'or') return operands.some((operand) => evaluateCondition(operand, evaluate));
  const compare = Object.hasOwn(COMPARISONS, word) ? COMPARISONS[word] : undefined;
  if (compare === undefined) throw new MeshError('ERR_EXPRESSION', `unknown operator \`${word}\` in a condition`);
  if (operands.length !== 2) throw new MeshError('ERR_EXPRESSION', `\`${word}\` needs two operands`);
  return compare(evaluate(operands[0] ?? null), evaluate(operands[1] ?? null));
}

function ordered(a: Json, b: Json): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  throw new MeshError('ERR_EXPRESSION', `${typeName(a)} and ${typeName(b)} cannot be compared`);
}

function text(value: Json): string {
  if (typeof value === 'string') return value;
  throw new MeshError('ERR_EXPRESSION', `a string was expected, not ${typeName(value)}`);
}
