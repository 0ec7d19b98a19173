/**
 * Functions on collections, logic, arithmetic and objects of Workflow Definition Language.
 *
 * Every function has all its arguments evaluated, `if`, `and`, `or` and `coalesce` included: an error in the branch
 * that is not taken is an error. Integers and floats are one type here; `div` of two whole numbers is a whole number,
 * unless one of them is a literal with a point.
 * @module
 */
import { isList, isObject, isReachable, type Json, jsonEquals, memberOf, objectOf } from '../json.ts';
import {
  argument,
  argumentError,
  booleanArgument,
  define,
  integerArgument,
  listArgument,
  numberArgument,
  textArgument,
  textOf,
  type WdlSignature,
  wrong,
} from './scope.ts';

const MANY = 1000;
/** Elements `range` may make; the products' own limit. */
const RANGE_MAX = 100_000;

const LOGIC: readonly WdlSignature[] = [
  define('and', [1, MANY], (args) => args.map((_, i) => booleanArgument(args, i)).every(Boolean)),
  define('or', [1, MANY], (args) => args.map((_, i) => booleanArgument(args, i)).some(Boolean)),
  define('not', [1, 1], (args) => !booleanArgument(args, 0)),
  define('if', [3, 3], (args) => (booleanArgument(args, 0) ? argument(args, 1) : argument(args, 2))),
  define('equals', [2, 2], (args) => jsonEquals(argument(args, 0), argument(args, 1))),
  define('greater', [2, 2], (args) => compare(args) > 0),
  define('greaterOrEquals', [2, 2], (args) => compare(args) >= 0),
  define('less', [2, 2], (args) => compare(args) < 0),
  define('lessOrEquals', [2, 2], (args) => compare(args) <= 0),
  define('coalesce', [1, MANY], (args) => args.find((arg) => arg !== null) ?? null),
];

const ARITHMETIC: readonly WdlSignature[] = [
  define('add', [2, 2], (args) => finite(numberArgument(args, 0) + numberArgument(args, 1))),
  define('sub', [2, 2], (args) => finite(numberArgument(args, 0) - numberArgument(args, 1))),
  define('mul', [2, 2], (args) => finite(numberArgument(args, 0) * numberArgument(args, 1))),
  define('div', [2, 2], (args) => {
    const [a, b] = [numberArgument(args, 0), numberArgument(args, 1)];
    if (b === 0) throw argumentError('division by zero');
    return finite(Number.isInteger(a) && Number.isInteger(b) ? Math.trunc(a / b) : a / b);
  }),
  define('mod', [2, 2], (args) => {
    if (numberArgument(args, 1) === 0) throw argumentError('division by zero');
    return finite(numberArgument(args, 0) % numberArgument(args, 1));
  }),
  define('max', [1, MANY], (args) => extreme(args, (a, b) => a > b)),
  define('min', [1, MANY], (args) => extreme(args, (a, b) => a < b)),
  define('rand', [2, 2], (args, { rng }) => {
    const [min, end] = [integerArgument(args, 0), integerArgument(args, 1)];
    if (end <= min) throw argumentError('argument 2 must be greater than argument 1');
    return rng.integer(min, end - 1);
  }),
];

const COLLECTIONS: readonly WdlSignature[] = [
  define('empty', [1, 1], (args) => isEmpty(argument(args, 0))),
  define('length', [1, 1], (args) => {
    const value = argument(args, 0);
    if (typeof value === 'string' || isList(value)) return value.length;
    throw wrong(0, 'a string or an array', value);
  }),
  define('contains', [2, 2], (args) => contains(argument(args, 0), argument(args, 1))),
  define('first', [1, 1], (args) => sequence(args)[0] ?? null),
  define('last', [1, 1], (args) => sequence(args).at(-1) ?? null),
  define('take', [2, 2], (args) => cut(args, 0, count(args))),
  define('skip', [2, 2], (args) => cut(args, count(args))),
  define('join', [2, 2], (args) => listArgument(args, 0).map(textOf).join(textArgument(args, 1))),
  define('reverse', [1, 1], (args) => listArgument(args, 0).toReversed()),
  define('sort', [1, 2], (args) => sort(args)),
  define('union', [1, MANY], (args) => union(args)),
  define('intersection', [1, MANY], (args) => intersection(args)),
  define('createArray', [0, MANY], (args) => [...args]),
  define('array', [1, 1], (args) => [textArgument(args, 0)]),
  define('range', [2, 2], (args) => {
    const [start, length] = [integerArgument(args, 0), integerArgument(args, 1)];
    if (length < 0 || length > RANGE_MAX) throw argumentError(`argument 2 must be from 0 to ${RANGE_MAX}`);
    return Array.from({ length }, (_, i) => start + i);
  }),
];

const OBJECTS: readonly WdlSignature[] = [
  define('addProperty', [3, 3], (args) => {
    const name = textArgument(args, 1);
    if (memberOf(argument(args, 0), name) !== undefined) throw argumentError(`property \`${name}\` exists already`);
    return setProperty(argument(args, 0), name, argument(args, 2));
  }),
  define('setProperty', [3, 3], (args) => setProperty(argument(args, 0), textArgument(args, 1), argument(args, 2))),
  define('removeProperty', [2, 2], (args) => {
    const value = argument(args, 0);
    if (!isObject(value)) throw wrong(0, 'an object', value);
    return objectOf(Object.entries(value).filter(([key]) => key !== argument(args, 1)));
  }),
];

export const VALUE_FUNCTIONS: readonly WdlSignature[] = [...LOGIC, ...ARITHMETIC, ...COLLECTIONS, ...OBJECTS];

function finite(value: number): number {
  if (!Number.isFinite(value)) throw argumentError('the result is out of range');
  return value;
}

function compare(args: readonly Json[]): number {
  const [a, b] = [argument(args, 0), argument(args, 1)];
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return order(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  throw argumentError('both arguments must be numbers, or both strings');
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function extreme(args: readonly Json[], beats: (a: number, b: number) => boolean): number {
  const [only] = args;
  const numbers = args.length === 1 && isList(only) ? only : args;
  if (numbers.length === 0) throw argumentError('there is no number to choose from');
  return numbers.map((_, i) => numberArgument(numbers, i)).reduce((best, next) => (beats(next, best) ? next : best));
}

function isEmpty(value: Json): boolean {
  if (value === null) return true;
  if (typeof value === 'string' || isList(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  throw wrong(0, 'a string, an array or an object', value);
}

function contains(collection: Json, value: Json): boolean {
  if (typeof collection === 'string') return collection.includes(textOf(value));
  if (isList(collection)) return collection.some((item) => jsonEquals(item, value));
  if (isObject(collection)) return typeof value === 'string' && memberOf(collection, value) !== undefined;
  throw wrong(0, 'a string, an array or an object', collection);
}

function sequence(args: readonly Json[]): readonly Json[] {
  const value = argument(args, 0);
  if (typeof value === 'string') return Array.from(value);
  return listArgument(args, 0);
}

function cut(args: readonly Json[], start: number, end?: number): Json {
  const value = argument(args, 0);
  return typeof value === 'string' ? value.slice(start, end) : listArgument(args, 0).slice(start, end);
}

function count(args: readonly Json[]): number {
  const value = integerArgument(args, 1);
  if (value < 0) throw argumentError('argument 2 must not be negative');
  return value;
}

function sort(args: readonly Json[]): Json {
  const by = args.length > 1 ? textArgument(args, 1) : undefined;
  const keyOf = (item: Json): Json => (by === undefined ? item : (memberOf(item, by) ?? null));
  return listArgument(args, 0).toSorted((a, b) => compare([keyOf(a), keyOf(b)]));
}

/** Equal values have equal keys. */
function keyOf(value: Json): string {
  if (isObject(value)) {
    const keys = Object.keys(value).toSorted();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${keyOf(value[key] ?? null)}`).join(',')}}`;
  }
  return isList(value) ? `[${value.map(keyOf).join(',')}]` : JSON.stringify(value);
}

function union(args: readonly Json[]): Json {
  if (args.every(isObject)) return objectOf(args.flatMap((value) => (isObject(value) ? Object.entries(value) : [])));
  const all = args.flatMap((_, i) => listArgument(args, i));
  return [...new Map(all.map((item) => [keyOf(item), item] as const)).values()];
}

function intersection(args: readonly Json[]): Json {
  const [head, ...rest] = args;
  if (isObject(head)) {
    const others = rest.map((value, i) => {
      if (!isObject(value)) throw wrong(i + 1, 'an object', value);
      return value;
    });
    return objectOf(
      Object.entries(head).filter(([key, value]) =>
        others.every((other) => jsonEquals(memberOf(other, key) ?? null, value) && Object.hasOwn(other, key)),
      ),
    );
  }
  const others = rest.map((_, i) => new Set(listArgument(args, i + 1).map(keyOf)));
  const kept = listArgument(args, 0).filter((item) => others.every((other) => other.has(keyOf(item))));
  return [...new Map(kept.map((item) => [keyOf(item), item] as const)).values()];
}

function setProperty(target: Json, name: string, value: Json): Json {
  if (!isObject(target)) throw wrong(0, 'an object', target);
  if (!isReachable(name)) throw argumentError(`\`${name}\` cannot name a property`);
  return objectOf([...Object.entries(target).filter(([key]) => key !== name), [name, value]]);
}
