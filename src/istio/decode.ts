/**
 * Strict decoding of plain values (what YAML or JSON gave) into typed ones. A decoder copies what it knows, reports
 * what it does not, and goes on, so that one pass finds every fault. Nothing is coerced: `8080` is not a string.
 *
 * `null` stands for "absent" in a field, as the API server takes it, and is a fault inside a list.
 * @module
 */
import { didYouMean } from '../core/suggest.ts';
import { quote, type ConfigPath } from './config-error.ts';

export interface Fault {
  readonly path: ConfigPath;
  readonly message: string;
  /** The fault is the key itself: point at it and not at its value. */
  readonly atKey: boolean;
}

/** Where a decoder is, and what it has found so far. */
export class Decoding {
  readonly faults: Fault[] = [];
  /** What Istio's webhook lets pass with a warning. */
  readonly warnings: Fault[] = [];
  readonly #path: (string | number)[];
  /** The fields of the objects around the value, outermost first. */
  readonly #around: ReadonlySet<string>[] = [];

  constructor(path: ConfigPath = []) {
    this.#path = [...path];
  }

  get path(): ConfigPath {
    return this.#path;
  }

  /** Runs `body` one step further down. */
  in<T>(step: string | number, body: () => T): T {
    this.#path.push(step);
    try {
      return body();
    } finally {
      this.#path.pop();
    }
  }

  /** Runs `body` inside an object that has these fields. */
  inside<T>(fields: ReadonlySet<string>, body: () => T): T {
    this.#around.push(fields);
    try {
      return body();
    } finally {
      this.#around.pop();
    }
  }

  /** Whether an object around this one has the field. */
  isFurtherOut(field: string): boolean {
    return this.#around.some((fields) => fields.has(field));
  }

  fault(message: string, ...below: ConfigPath): undefined {
    this.faults.push({ path: [...this.#path, ...below], message, atKey: false });
  }

  warn(message: string, ...below: ConfigPath): void {
    this.warnings.push({ path: [...this.#path, ...below], message, atKey: false });
  }

  keyFault(key: string, message: string): undefined {
    this.faults.push({ path: [...this.#path, key], message, atKey: true });
  }
}

/** Gives the value, or reports to `at` and gives nothing. */
export type Decoder<T> = (value: unknown, at: Decoding) => T | undefined;

export type PlainObject = Readonly<Record<string, unknown>>;

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a value is, for messages: `the string \`x\``, `a list`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return `the ${typeof value === 'boolean' ? 'boolean' : 'number'} ${quote(String(value))}`;
  }
  return 'an object';
}

export const string: Decoder<string> = (value, at) => {
  if (typeof value === 'string') return value;
  const hint = typeof value === 'number' || typeof value === 'boolean' ? '; put it in quotes' : '';
  return at.fault(`expected a string, found ${describe(value)}${hint}`);
};

/** A string of at most `max` characters. */
export function text(max: number): Decoder<string> {
  return (value, at) => {
    const read = string(value, at);
    if (read !== undefined && read.length > max) at.fault(`expected at most ${max} characters, found ${read.length}`);
    return read;
  };
}

export const boolean: Decoder<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value;
  const hint = value === 'true' || value === 'false' ? '; take away the quotes' : '';
  return at.fault(`expected true or false, found ${describe(value)}${hint}`);
};

export function integer(min: number, max: number): Decoder<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      const hint = typeof value === 'string' && /^\d+$/.test(value) ? '; take away the quotes' : '';
      return at.fault(`expected a whole number, found ${describe(value)}${hint}`);
    }
    return value >= min && value <= max
      ? value
      : at.fault(`expected a number from ${min} to ${max}, found \`${value}\``);
  };
}

export const PORT_MAX = 65_535;
export const UINT32_MAX = 4_294_967_295;

/** An integer of 32 bits without a sign. */
export const uint32: Decoder<number> = integer(0, UINT32_MAX);
export const port: Decoder<number> = integer(1, PORT_MAX);

export const number: Decoder<number> = (value, at) =>
  typeof value === 'number' && Number.isFinite(value) ? value : at.fault(`expected a number, found ${describe(value)}`);

export function oneOf<const T extends string>(...values: readonly T[]): Decoder<T> {
  const expected = values.map((value) => `\`${value}\``).join(', ');
  return (value, at) => {
    const found = values.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const hint = typeof value === 'string' ? didYouMean(value, values) : '';
    const shown = typeof value === 'string' ? quote(value) : describe(value);
    return at.fault(`expected one of ${expected}, found ${shown}${hint}`);
  };
}

export interface ListLimits {
  readonly min?: number;
  readonly max?: number;
}

export function list<T>(item: Decoder<T>, limits: ListLimits = {}): Decoder<readonly T[]> {
  const fields = fieldsOf(item);
  return withFields(fields, (value, at) => {
    if (!Array.isArray(value)) return at.fault(`expected a list, found ${describe(value)}${listHint(value, fields)}`);
    if (limits.min !== undefined && value.length < limits.min) {
      at.fault(`expected at least ${limits.min} items, found ${value.length}`);
    }
    if (limits.max !== undefined && value.length > limits.max) {
      at.fault(`expected at most ${limits.max} items, found ${value.length}`);
    }
    const out: T[] = [];
    value.forEach((element: unknown, index) => {
      const decoded = at.in(index, () => item(element, at));
      if (decoded !== undefined) out.push(decoded);
    });
    return out;
  });
}

function listHint(value: unknown, fields: ReadonlySet<string>): string {
  if (typeof value === 'string') return `; write \`[${JSON.stringify(value.slice(0, 40))}]\``;
  const isItem = isPlainObject(value) && Object.keys(value).some((key) => fields.has(key));
  return isItem ? '; write `- ` before its first field' : '';
}

const NO_FIELDS: ReadonlySet<string> = new Set();
/** Of a mapping whose keys are the user's own. */
const FREE_KEYS: ReadonlySet<string> = new Set();
/** The fields of the objects that a decoder reads, or that are the items of the lists it reads. */
const FIELDS = new WeakMap<Decoder<unknown>, ReadonlySet<string>>();

export function fieldsOf(decode: Decoder<unknown>): ReadonlySet<string> {
  return FIELDS.get(decode) ?? NO_FIELDS;
}

function withFields<T>(fields: ReadonlySet<string>, decode: Decoder<T>): Decoder<T> {
  FIELDS.set(decode, fields);
  return decode;
}

/** Reports a field that does not belong where it stands, and where it would belong: wrong indentation is the usual slip. */
export function unknownField(key: string, known: Iterable<readonly [string, ReadonlySet<string>]>, at: Decoding): void {
  at.keyFault(key, `unknown field ${quote(key)}${placeOf(key, new Map(known), at)}`);
}

function placeOf(key: string, known: ReadonlyMap<string, ReadonlySet<string>>, at: Decoding): string {
  const inner = [...known].find(([, fields]) => fields.has(key))?.[0];
  if (inner !== undefined) return `; it is a field of \`${inner}\`: indent it further`;
  if (at.isFurtherOut(key)) return '; it is a field further out: indent it less';
  const meant = didYouMean(key, known.keys());
  const free = [...known].find(([, fields]) => fields === FREE_KEYS)?.[0];
  return meant === '' && free !== undefined ? `; keys of your own go below \`${free}\`` : meant;
}

/** A mapping with free keys. */
export function mapOf<T>(
  item: Decoder<T>,
  limits: { readonly max?: number } = {},
): Decoder<Readonly<Record<string, T>>> {
  return withFields(FREE_KEYS, (value, at) => {
    if (!isPlainObject(value)) return at.fault(`expected a mapping, found ${describe(value)}`);
    const size = Object.keys(value).length;
    if (limits.max !== undefined && size > limits.max) at.fault(`expected at most ${limits.max} keys, found ${size}`);
    const entries: [string, T][] = [];
    for (const [name, element] of Object.entries(value)) {
      const decoded = at.in(name, () => item(element, at));
      if (decoded !== undefined) entries.push([name, decoded]);
    }
    return Object.fromEntries(entries);
  });
}

export type Fields<T> = { readonly [K in keyof T]-?: Decoder<Exclude<T[K], undefined>> };

export interface ObjectOptions<T> {
  readonly required?: readonly (keyof T & string)[];
  /** Fields we know of and leave alone are ignored instead of refused. */
  readonly open?: boolean;
  /** Second names of fields, as the API takes them. */
  readonly aliases?: Readonly<Record<string, keyof T & string>>;
  /** Checks across fields; runs only where the object itself was an object. */
  readonly check?: (value: T, at: Decoding) => void;
}

/** An object with the fields of `T`, each named once: the compiler holds the table against the type. */
export function object<T extends object>(fields: Fields<T>, options: ObjectOptions<T> = {}): Decoder<T> {
  const known = new Map<string, Decoder<unknown>>(Object.entries(fields));
  const names = new Set(known.keys());
  return withFields(names, (value, at) => {
    if (!isPlainObject(value)) return at.fault(`expected a mapping, found ${describe(value)}`);
    const entries = at.inside(names, () => decodeFields(value, known, options, at));
    for (const key of options.required ?? []) {
      if (value[key] === null || value[key] === undefined) at.fault(`the field \`${key}\` is missing`);
    }
    // Every entry came from the decoder of that field: this is the one place where the table becomes the type.
    const decoded = Object.fromEntries(entries) as T;
    options.check?.(decoded, at);
    return decoded;
  });
}

function decodeFields<T extends object>(
  value: PlainObject,
  known: ReadonlyMap<string, Decoder<unknown>>,
  { aliases = {}, open = false }: ObjectOptions<T>,
  at: Decoding,
): readonly (readonly [string, unknown])[] {
  const entries: (readonly [string, unknown])[] = [];
  for (const [key, element] of Object.entries(value)) {
    const field = Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key;
    const decode = known.get(field);
    if (field !== key && Object.hasOwn(value, field)) at.keyFault(key, `\`${field}\` is the same field`);
    if (decode === undefined) {
      if (!open)
        unknownField(
          key,
          [...known].map(([name, nested]) => [name, fieldsOf(nested)] as const),
          at,
        );
    } else if (element !== null && element !== undefined) {
      const decoded = at.in(key, () => decode(element, at));
      if (decoded !== undefined) entries.push([field, decoded]);
    }
  }
  return entries;
}

/** `decode`, then a rule about the decoded value. */
export function checked<T>(decode: Decoder<T>, check: (value: T, at: Decoding) => void): Decoder<T> {
  return withFields(fieldsOf(decode), (value, at) => {
    const decoded = decode(value, at);
    if (decoded !== undefined) check(decoded, at);
    return decoded;
  });
}
