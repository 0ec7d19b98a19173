/**
 * A joint walk together with its regions in words, or why there is none.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { AccessProgram } from './access-program.ts';
import { walkJointly, type Walk, type WalkOptions } from './joint-walk.ts';
import type { LevelFactory } from './level.ts';
import { tokenObstacle } from './token-obstacles.ts';
import type { Sides } from './sides.ts';
import { describeRegion, regionsOf, type Region, type RegionText } from './region.ts';

export interface Walked {
  readonly walk: Walk;
  /** More classes than are listed. */
  readonly cut: boolean;
  readonly regions: readonly { readonly region: Region; readonly text: RegionText }[];
}

export type ProgramPair = Sides<AccessProgram>;

/** The walk, or why there is none. */
export function walkedRegions(
  { before, after }: ProgramPair,
  factory: LevelFactory,
  options: WalkOptions & { readonly regionsMax: number },
): Walked | string {
  const obstacle = tokenObstacle(before, after);
  if (obstacle !== undefined) return obstacle;
  let walk: Walk;
  try {
    walk = walkJointly(before, after, factory, options);
  } catch (error) {
    if (error instanceof MeshError && error.code === 'ERR_ANALYSIS_LIMIT') return error.message;
    throw error;
  }
  const { regions, cut } = regionsOf(walk, options.regionsMax);
  return { walk, cut, regions: regions.map((region) => ({ region, text: describeRegion(region) })) };
}
