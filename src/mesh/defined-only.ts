/**
 * Optional keys of parsed files may hold `undefined` by their type; options must not.
 * @module
 */

/** The same object without keys that hold `undefined`, which YAML cannot write but types allow. */
export function definedOnly<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
