/**
 * Renewal herds: workloads that start together renew together, unless jitter spreads them.
 *
 * The rotation machine itself runs, on the virtual clock; certificates are dates only, since what is asked is when, not
 * how.
 * @module
 */
import { addMs, assertNever, DEFAULT_EPOCH, type Instant, MINUTE_MS, Rng } from '../../core/index.ts';
import {
  type HeldCertificate,
  ROTATION_IDLE,
  rotationPolicy,
  type RotationEvent,
  type RotationPolicy,
  stepRotation,
} from '../../pki/index.ts';
import { type Timer, VirtualClock } from '../../sim/index.ts';

export interface Herd {
  readonly jitterRatio: number;
  /** The busiest minute's renewals in each wave, first to last. */
  readonly peaks: readonly number[];
  /** Renewals a minute if they were spread over the whole time. */
  readonly even: number;
}

/** Waves of renewals are followed this far. */
const WAVES = 6;

export async function herdOf(workloads: number, jitterRatio: number): Promise<Herd> {
  const policy = rotationPolicy({ jitterRatio });
  const clock = new VirtualClock(DEFAULT_EPOCH);
  // By wave, by minute.
  const waves = Array.from({ length: WAVES + 1 }, () => new Map<number, number>());
  const rng = new Rng('herd');
  for (let index = 0; index < workloads; index++) {
    runAgent(clock, policy, rng.fork(String(index)), (wave, at) => {
      const minute = Math.floor((at - DEFAULT_EPOCH) / MINUTE_MS);
      const counts = waves[wave];
      counts?.set(minute, (counts.get(minute) ?? 0) + 1);
    });
  }
  await clock.advance((WAVES + 1) * policy.ttlMs * policy.graceRatio);
  const peaks = waves.slice(1).map((counts) => Math.max(0, ...counts.values()));
  return { jitterRatio, peaks, even: workloads / ((policy.ttlMs * policy.graceRatio) / MINUTE_MS) };
}

/** An agent whose CA answers at once. */
function runAgent(
  clock: VirtualClock,
  policy: RotationPolicy,
  rng: Rng,
  onIssued: (wave: number, at: Instant) => void,
): void {
  let state = ROTATION_IDLE;
  let timer: Timer | undefined;
  let wave = 0;
  const dispatch = (event: RotationEvent): void => {
    const step = stepRotation(state, event, { at: clock.now(), clockSkewMs: 0, policy, rng });
    state = step.state;
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'request':
          onIssued(wave++, clock.now());
          dispatch({ kind: 'issued', request: effect.request, certificate: certificateOf(clock.now(), effect.ttlMs) });
          break;
        case 'set-timer':
          timer?.[Symbol.dispose]();
          timer = clock.schedule(effect.at, () => dispatch({ kind: 'timer' }));
          break;
        case 'clear-timer':
          timer?.[Symbol.dispose]();
          break;
        case 'cancel-request':
        case 'install':
        case 'renewal-failed':
        case 'expired':
          break;
        default:
          assertNever(effect);
      }
    }
  };
  dispatch({ kind: 'start' });
}

function certificateOf(at: Instant, ttlMs: number): HeldCertificate {
  return { serial: '00', notBefore: at, notAfter: addMs(at, ttlMs) };
}
