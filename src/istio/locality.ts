/**
 * Localities as `region/zone/subzone`, of which each part may be left away from the end, or the last be `*`.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting
 * @module
 */
import { quote } from './config-error.ts';

const PARTS_MAX = 3;

/** Why these localities cannot stand in one list, or nothing: each must be one, and none may lie in an earlier one or hold it. */
export function localitiesFault(localities: readonly string[]): string | undefined {
  const earlier: (readonly string[])[] = [];
  for (const locality of localities) {
    const stars = locality.split('*').length - 1;
    if (stars > 1 || (stars === 1 && !locality.endsWith('*'))) {
      return `${quote(locality)}: \`*\` may stand once, at the end`;
    }
    const parts = partsOf(locality);
    if (parts.includes('')) return `${quote(locality)} has an empty region, zone or subzone`;
    if (earlier.some((other) => overlap(other, parts))) return `${quote(locality)} overlaps with one before it`;
    earlier.push(parts);
  }
  return undefined;
}

/** At most three parts: a subzone may hold slashes. */
function partsOf(locality: string): readonly string[] {
  const parts = locality.split('/');
  return [
    ...parts.slice(0, PARTS_MAX - 1),
    ...(parts.length < PARTS_MAX ? [] : [parts.slice(PARTS_MAX - 1).join('/')]),
  ];
}

/** Whether one of them is, or holds, the other; a final `*` holds everything there. */
function overlap(earlier: readonly string[], later: readonly string[]): boolean {
  const shared = Math.min(earlier.length, later.length);
  for (let index = 0; index < shared; index++) {
    if (earlier[index] === '*') return true;
    if (earlier[index] !== later[index]) return false;
  }
  return true;
}
