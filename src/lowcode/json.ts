/**
 * JSON values as expressions see them, with the two guards every evaluator needs: members are looked up among own
 * properties only, and values are bounded in depth and size before anything walks them.
 *
 * The names `__proto__`, `constructor` and `prototype` are never members, not even where a document spells them out.
 * @module
 */
import { MeshError } from '../core/index.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** Levels of nesting a value may have. */
export const VALUE_DEPTH_MAX = 100;
/** Nodes and characters a value may have, together: the size of a large answer, far below what exhausts memory. */
export const VALUE_SIZE_MAX = 1_000_000;

const UNREACHABLE: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Whether `name` may name a member of an object. */
export function isReachable(name: string): boolean {
  return !UNREACHABLE.has(name);
}

/** An own member of an object, or an element of a list. */
export function memberOf(value: Json, key: string | number): Json | undefined {
  if (isList(value)) return typeof key === 'number' && Number.isInteger(key) && key >= 0 ? value[key] : undefined;
  if (!isObject(value)) return undefined;
  const name = String(key);
  return isReachable(name) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** An object of these entries, without the unreachable names. Entries never run setters. */
export function objectOf(entries: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries([...entries].filter(([key]) => isReachable(key)));
}

/** Refuses what is nested too deeply or has grown too large. */
export function bounded<V extends Json>(value: V): V {
  let size = 0;
  const visit = (node: Json, depth: number): void => {
    size += typeof node === 'string' ? node.length + 1 : 1;
    if (size > VALUE_SIZE_MAX)
      throw new MeshError('ERR_EXPRESSION', `a value grew beyond ${VALUE_SIZE_MAX} characters`);
    if (node === null || typeof node !== 'object') return;
    if (depth >= VALUE_DEPTH_MAX) {
      throw new MeshError('ERR_EXPRESSION', `a value is nested more than ${VALUE_DEPTH_MAX} levels deep`);
    }
    if (isList(node)) for (const item of node) visit(item, depth + 1);
    else {
      for (const [key, item] of Object.entries(node)) {
        size += key.length;
        visit(item, depth + 1);
      }
    }
  };
  visit(value, 0);
  return value;
}

/**
 * Anything as JSON: what JSON has no word for becomes `null`, unreachable names are dropped.
 * @throws MeshError `ERR_EXPRESSION` where the value is too deep or too large
 */
export function toJson(value: unknown, depth = 0): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object') return null;
  if (depth >= VALUE_DEPTH_MAX) {
    throw new MeshError('ERR_EXPRESSION', `a value is nested more than ${VALUE_DEPTH_MAX} levels deep`);
  }
  if (Array.isArray(value)) return value.map((item: unknown) => toJson(item, depth + 1));
  return objectOf(Object.entries(value).map(([key, item]) => [key, toJson(item, depth + 1)] as const));
}

/**
 * Reads JSON text.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function parseJson(text: string): Json {
  if (text.length > VALUE_SIZE_MAX) throw new MeshError('ERR_EXPRESSION', 'JSON text is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MeshError('ERR_EXPRESSION', 'text is not valid JSON', { cause: error });
  }
  return toJson(value);
}

/** Equal as JSON: the order of an object's members does not count. */
export function jsonEquals(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, i) => jsonEquals(item, b[i] ?? null));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && jsonEquals(a[key] ?? null, b[key] ?? null))
  );
}

/** What kind of value this is, for messages. */
export function typeName(value: Json): string {
  if (value === null) return 'null';
  if (isList(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}
