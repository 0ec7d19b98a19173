/**
 * A line of a curve, with how it grows where there is more than one size to tell it from.
 * @module
 */
import type { Curve } from './bench.ts';
import { growthOf, type Point } from './statistics.ts';

export function growingSeries(name: string, points: readonly Point[]): Curve['series'][number] {
  return points.length > 1 ? { name, points, growth: growthOf(points) } : { name, points };
}
