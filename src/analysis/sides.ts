/**
 * What belongs to the two configurations of a comparison.
 * @module
 */

export interface Sides<T> {
  readonly before: T;
  readonly after: T;
}

/** Which side alone answers `false`: where one cannot say, neither is asked to. */
export function falseAlone({ before, after }: Sides<boolean | undefined>): Sides<boolean> {
  return { before: before === false && after === true, after: after === false && before === true };
}
