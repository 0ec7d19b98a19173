/**
 * Spans of virtual time over an event log. A window is open at its start and closed at its end, as is the interval a
 * `traffic.recorded` event stands for, which ends at the event: windows that touch share no event and miss none.
 * @module
 */
import { addMs, type Instant, type MeshEvent } from '../core/index.ts';

/** `from < at <= to`. A missing bound is no bound. */
export interface EventWindow {
  readonly from?: Instant;
  readonly to?: Instant;
}

/** Whether `event` happened in `window`; an interval belongs to where it ends. */
export function within(event: MeshEvent, window: EventWindow): boolean {
  return (window.from === undefined || event.at > window.from) && (window.to === undefined || event.at <= window.to);
}

/** Which part (0..1) of an interval of `intervalMs` that ends at `endsAt` lies in `[from, to]`; an instant counts whole. */
export function overlap(endsAt: Instant, intervalMs: number, from: Instant, to: Instant): number {
  if (intervalMs <= 0) return endsAt > from && endsAt <= to ? 1 : 0;
  const startsAt = addMs(endsAt, -intervalMs);
  return Math.max(0, Math.min(endsAt, to) - Math.max(startsAt, from)) / intervalMs;
}
