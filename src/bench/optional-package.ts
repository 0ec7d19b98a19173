/**
 * Competitors that are packages meshproof itself does not need: run where they are installed, skipped with a word where
 * they are not.
 * @module
 */
import type { Skipped } from './bench.ts';

export type Optional<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly skipped: Skipped };

/** Loads a package that may be absent; other errors pass. */
export async function optionalPackage<T>(name: string, load: () => Promise<T>): Promise<Optional<T>> {
  try {
    return { ok: true, value: await load() };
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    if (!isAbsent) throw error;
    return { ok: false, skipped: { what: name, why: `not installed; npm install ${name}` } };
  }
}
