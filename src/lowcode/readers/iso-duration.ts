/**
 * Durations of ISO 8601 as workflow definitions write them.
 * @module
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../core/index.ts';
import type { SourcePosition } from '../../istio/index.ts';
import { invalid } from '../document.ts';

/**
 * `PT30S`, `PT1H30M`, `P1D` in milliseconds. Months and years have no fixed length and are refused.
 * @throws MeshError `ERR_LOWCODE_INVALID`
 */
export function parseIsoDuration(text: string, at: SourcePosition): number {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  const parts = found?.slice(1) ?? [];
  if (parts.every((part) => part === undefined)) throw invalid(`\`${text}\` is not a duration such as PT30S`, at);
  const [days = '0', hours = '0', minutes = '0', seconds = '0'] = parts;
  return Number(days) * DAY_MS + Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS + Number(seconds) * SECOND_MS;
}
