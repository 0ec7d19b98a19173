/**
 * Keeps the values of secrets out of everything a run reports.
 *
 * A secret is hidden in every form a run can give it: as it is, as it stands within JSON, percent-encoded, in base64,
 * and as any text a template function made from a text that held it. What a service makes of a secret before it
 * echoes it (a hash, say) cannot be recognised.
 * @module
 */
import { isList, isObject, type Json } from './json.ts';
import { toBase64 } from './wdl/text-functions.ts';

export const REDACTED = '***';

/** Derived texts shorter than this are not hidden: they would hide half of every report and tell nothing. */
const DERIVED_LENGTH_MIN = 4;

export class Redactor {
  readonly #hidden = new Set<string>();
  #longestFirst: readonly string[] | undefined;

  add(secret: string): void {
    if (secret === '') return;
    this.#hide(secret);
    this.#hide(JSON.stringify(secret).slice(1, -1));
    this.#hide(
      secret
        .split('')
        .map((char) => encodeURIComponentSafe(char))
        .join(''),
    );
    this.#hide(encodeURIComponentSafe(secret));
    this.#hide(new URLSearchParams({ s: secret }).toString().slice(2));
    this.#hide(toBase64(secret));
  }

  /** A function made `result` of `args`: where these held a secret, its texts are secrets too. */
  derived(args: readonly Json[], result: Json): void {
    if (!args.some((arg) => textsOf(arg).some((text) => this.holds(text)))) return;
    for (const text of textsOf(result)) {
      if (text.length >= DERIVED_LENGTH_MIN && !this.holds(text)) this.#hide(text);
    }
  }

  holds(text: string): boolean {
    return this.#sorted().some((secret) => text.includes(secret));
  }

  text(text: string): string {
    return this.#sorted().reduce((rest, secret) => rest.replaceAll(secret, () => REDACTED), text);
  }

  /**
   * A copy in which no text, and no key, holds a secret. Lists, maps and sets stay what they are, errors become their
   * message, other objects plain data; what refers back to itself is cut.
   */
  value(value: unknown, copies: Map<object, unknown> = new Map()): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number' || typeof value === 'bigint') return this.#number(value);
    if (value === null || typeof value !== 'object') return value;
    if (copies.has(value)) return copies.get(value);
    copies.set(value, '[circular]');
    const copy = this.#object(value, copies);
    copies.set(value, copy);
    return copy;
  }

  #object(value: object, copies: Map<object, unknown>): unknown {
    const inner = (item: unknown): unknown => this.value(item, copies);
    if (Array.isArray(value)) return value.map(inner);
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [inner(key), inner(item)] as const));
    if (value instanceof Set) return new Set([...value].map(inner));
    if (value instanceof Error) return this.text(`${value.name}: ${value.message}`);
    if (value instanceof Uint8Array) return this.holds(new TextDecoder().decode(value)) ? REDACTED : value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), inner(item)] as const));
  }

  /** A secret may be a number once it was parsed; three digits are a status, not a secret. */
  #number(value: number | bigint): unknown {
    const text = String(value);
    return text.length >= DERIVED_LENGTH_MIN && this.holds(text) ? this.text(text) : value;
  }

  #hide(text: string): void {
    if (text === '') return;
    this.#hidden.add(text);
    this.#longestFirst = undefined;
  }

  #sorted(): readonly string[] {
    this.#longestFirst ??= [...this.#hidden].toSorted((a, b) => b.length - a.length);
    return this.#longestFirst;
  }
}

function encodeURIComponentSafe(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text;
  }
}

function textsOf(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (isList(value)) return value.flatMap(textsOf);
  if (isObject(value)) return Object.entries(value).flatMap(([key, item]) => [key, ...textsOf(item)]);
  return [];
}
