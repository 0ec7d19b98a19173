/**
 * The classes of raw paths for the path patterns of a comparison, each with a raw path as a client sends it. Patterns of
 * a side see what the side's mode of normalisation makes of it.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { normalizePath, queryOf } from '../policy/path-normalization.ts';
import { textClasses, type ValueClass } from './class-table.ts';
import { jointPathClasses, type PathSide } from './joint-paths.ts';
import type { ValuePattern } from './linear-pattern.ts';
import { hitsOf } from './pattern-match.ts';
import { pathTexts } from './universe.ts';

/** From the mode that leaves most to the one that leaves least. */
const MODES: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];

/** No pattern: matched by the raw paths that a mode refuses to normalise. */
export function refusedPath(mode: PathNormalization): ValuePattern {
  const label = `what cannot be normalized (\`${REFUSED_UNIT}\`)`;
  return { key: `path ${mode} refused`, label, patterns: [], withQuery: [], normalization: mode, refused: true };
}

/** Envoy answers 400 to it, whatever the policies. */
const REFUSED_UNIT = '%00';

/** @throws MeshError `ERR_ANALYSIS_LIMIT` where the patterns combine in too many ways */
export function pathClasses(values: readonly ValuePattern[]): readonly ValueClass<string>[] {
  const modes = MODES.filter((mode) => values.some((value) => modeOf(value) === mode));
  const [weak = 'BASE', strong] = modes;
  const queried = isQueried(values);
  return strong === undefined ? oneMode(weak, values, queried) : twoModes([weak, strong], values, queried);
}

function oneMode(
  mode: PathNormalization,
  values: readonly ValuePattern[],
  queried: boolean,
): readonly ValueClass<string>[] {
  const { classes } = textClasses(pathTexts(mode, queried), seen(values, queried));
  const normal = classes.map((each) => ({ ...each, witness: rawPath(each.witness, mode) }));
  if (!values.some(({ refused }) => refused)) return normal;
  const hits = Uint8Array.from(values, ({ refused }) => (refused === true ? 1 : 0));
  return [...normal, { witness: `/${REFUSED_UNIT}`, hits, unusual: true }];
}

function twoModes(
  modes: readonly [PathNormalization, PathNormalization],
  values: readonly ValuePattern[],
  queried: boolean,
): readonly ValueClass<string>[] {
  const patterns = seen(values, queried);
  const [weak, strong] = modes.map((mode): PathSide & { readonly at: readonly number[] } => {
    const at = [...values.keys()].filter((i) => modeOf(values[i]) === mode);
    return { mode, at, values: at.flatMap((i) => patterns[i] ?? []) };
  });
  invariant(weak !== undefined && strong !== undefined, 'there are two modes');
  return jointPathClasses(weak, strong, queried).map(({ raw, weak: one, strong: other }) => {
    const hits = new Uint8Array(values.length);
    weak.at.forEach((i, at) => (hits[i] = one[at] === '1' ? 1 : 0));
    strong.at.forEach((i, at) => {
      const matches = values[i]?.refused === true ? other === undefined : other?.[at] === '1';
      hits[i] = matches ? 1 : 0;
    });
    return { witness: raw, hits, unusual: false };
  });
}

/** By value: 1 where a raw path matches. */
export function rawPathHits(values: readonly ValuePattern[], raw: string): Uint8Array {
  const queried = isQueried(values);
  const patterns = seen(values, queried);
  const hits = new Uint8Array(values.length);
  for (const mode of MODES) {
    const at = [...values.keys()].filter((i) => modeOf(values[i]) === mode);
    const path = at.length === 0 ? undefined : normalizePath(raw, mode);
    const text = path === undefined || !queried ? path : path + queryOf(raw);
    for (const i of at) {
      const [value, pattern] = [values[i], patterns[i]];
      if (value?.refused === true) hits[i] = text === undefined ? 1 : 0;
      else if (text !== undefined && pattern !== undefined) hits[i] = hitsOf([pattern], text)[0] ?? 0;
    }
  }
  return hits;
}

/** Whether some pattern sees the query, so that all have to be asked about paths with one. */
function isQueried(values: readonly ValuePattern[]): boolean {
  return values.some(({ withQuery }) => withQuery === undefined);
}

function seen(values: readonly ValuePattern[], queried: boolean): readonly ValuePattern[] {
  return queried ? values.map((value) => ({ ...value, patterns: value.withQuery ?? value.patterns })) : values;
}

function modeOf(value: ValuePattern | undefined): PathNormalization {
  return value?.normalization ?? 'BASE';
}

/** How a side sees the path, as against the other side. */
function viewOf(mode: PathNormalization, other: PathNormalization): string {
  if (mode === 'NONE') return 'as sent';
  if (other === 'NONE') return 'once normalized';
  const [when, change] =
    MODES.indexOf(mode) < MODES.indexOf(other) ? (['before', other] as const) : (['once', mode] as const);
  return `${when} ${change === 'MERGE_SLASHES' ? 'slashes are merged' : 'escaped slashes are decoded'}`;
}

/** The values with words for how each side sees the path, where the sides differ. */
export function labelledByMode(values: readonly ValuePattern[]): readonly ValuePattern[] {
  const modes = [...new Set(values.map(modeOf))];
  if (modes.length < 2) return values;
  return values.map((value) => {
    if (value.refused === true) return value;
    const mode = modeOf(value);
    const other = modes.find((each) => each !== mode) ?? mode;
    return { ...value, label: `${value.label} ${viewOf(mode, other)}` };
  });
}

/** Paths of more units than this are shortened by runs of half their length, a quarter and so on, not by every run. */
const UNITS_MAX = 40;

/**
 * A raw path without runs of units that can be left out, `isWanted` still holding. Where one mode reads all paths the
 * witnesses are the shortest already.
 */
export function shortestPath(values: readonly ValuePattern[], raw: string, isWanted: (raw: string) => boolean): string {
  if (values.every((value) => modeOf(value) === modeOf(values[0]))) return raw;
  let units: readonly string[] = raw.match(/%[0-9a-fA-F]{2}|./gs) ?? [];
  let before = 0;
  do {
    before = units.length;
    const step = (size: number): number => (before > UNITS_MAX ? Math.floor(size / 2) : size - 1);
    for (let size = step(before); size > 0; size = step(size)) {
      for (let at = 1; at + size <= units.length;) {
        const left = [...units.slice(0, at), ...units.slice(at + size)];
        if (isWanted(left.join(''))) units = left;
        else at++;
      }
    }
  } while (units.length < before);
  return units.join('');
}

/** A path that normalises to `path`; itself, unless it has an escape that normalisation would undo. */
function rawPath(path: string, mode: PathNormalization): string {
  if (isReadAs(path, path, mode)) return path;
  // `%4%31` becomes `%41`, and stays so: normalisation runs once.
  const escaped = path.replace(
    /%([0-9a-fA-F])([0-9a-fA-F])/g,
    (_, first: string, second: string) => `%${first}%${second.charCodeAt(0).toString(16)}`,
  );
  invariant(isReadAs(escaped, path, mode), `no path is normalised to ${path}`);
  return escaped;
}

function isReadAs(raw: string, path: string, mode: PathNormalization): boolean {
  const question = path.indexOf('?');
  return normalizePath(raw, mode) === (question < 0 ? path : path.slice(0, question));
}
