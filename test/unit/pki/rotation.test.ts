import { describe, expect, it } from 'vitest';
import { addMs, DEFAULT_EPOCH, HOUR_MS, instantOf, MINUTE_MS, Rng, type Instant } from '../../../src/core/index.ts';
import {
  DEFAULT_ROTATION_POLICY,
  ROTATION_IDLE,
  ROTATION_REASONS,
  rotationPolicy,
  stepRotation,
  type HeldCertificate,
  type RotationContext,
  type RotationEffect,
  type RotationEvent,
  type RotationState,
} from '../../../src/pki/index.ts';

const T: Instant = DEFAULT_EPOCH;
const policy = rotationPolicy({ jitterRatio: 0, backoff: { randomizationRatio: 0 } });

function context(at: Instant, clockSkewMs = 0, over: Partial<RotationContext> = {}): RotationContext {
  return { at, clockSkewMs, policy, rng: new Rng('rotation'), ...over };
}

function certificate(at: Instant, serial = 'aa', ttlMs = 24 * HOUR_MS): HeldCertificate {
  return { serial, notBefore: addMs(at, -2 * MINUTE_MS), notAfter: addMs(at, ttlMs) };
}

const issued = (request: number, held: HeldCertificate): RotationEvent => ({
  kind: 'issued',
  request,
  certificate: held,
});

/** Runs events at their instants; returns the last state and all effects. */
function run(
  state: RotationState,
  events: readonly (readonly [Instant, RotationEvent])[],
  skewMs = 0,
): { state: RotationState; effects: readonly RotationEffect[] } {
  const effects: RotationEffect[] = [];
  let current = state;
  for (const [at, event] of events) {
    const step = stepRotation(current, event, context(at, skewMs));
    current = step.state;
    effects.push(...step.effects);
  }
  return { state: current, effects };
}

const held = certificate(T);
const requesting = run(ROTATION_IDLE, [[T, { kind: 'start' }]]).state;
const holding = run(requesting, [[T, issued(1, held)]]).state;
const renewing = run(holding, [[addMs(T, 12 * HOUR_MS), { kind: 'timer' }]]).state;
const backingOff = run(requesting, [[T, { kind: 'failed', request: 1, reason: 'unavailable' }]]).state;
const suspended = run(holding, [[T, { kind: 'suspend' }]]).state;
const stopped = run(holding, [[T, { kind: 'stop' }]]).state;
const STATES = { idle: ROTATION_IDLE, requesting, 'backing-off': backingOff, holding, suspended, stopped } as const;
type StateName = keyof typeof STATES;

/** `late`: long after everything that was waited for. */
const LATE = addMs(T, 13 * HOUR_MS);
const EVENTS: Readonly<Record<string, readonly [Instant, RotationEvent]>> = {
  start: [T, { kind: 'start' }],
  'timer early': [T, { kind: 'timer' }],
  'timer late': [LATE, { kind: 'timer' }],
  'issued to this request': [T, issued(1, certificate(T, 'bb'))],
  'issued, due on arrival': [T, issued(1, certificate(T, 'bb', -1))],
  'issued to another request': [T, issued(99, certificate(T, 'bb'))],
  'failed this request': [T, { kind: 'failed', request: 1, reason: 'refused' }],
  'failed another request': [T, { kind: 'failed', request: 99, reason: 'refused' }],
  renew: [T, { kind: 'renew' }],
  'clock-step': [T, { kind: 'clock-step' }],
  suspend: [T, { kind: 'suspend' }],
  resume: [T, { kind: 'resume' }],
  stop: [T, { kind: 'stop' }],
};

// The table of the module's header; `=` stays.
const TABLE = `
event                     | idle       | requesting  | backing-off | holding    | suspended | stopped
start                     | requesting | =           | =           | =          | =         | =
timer early               | =          | =           | =           | =          | =         | =
timer late                | =          | backing-off | requesting  | requesting | =         | =
issued to this request    | =          | holding     | =           | =          | =         | =
issued, due on arrival    | =          | backing-off | =           | =          | =         | =
issued to another request | =          | =           | =           | =          | =         | =
failed this request       | =          | backing-off | =           | =          | =         | =
failed another request    | =          | =           | =           | =          | =         | =
renew                     | =          | requesting  | requesting  | requesting | =         | =
clock-step                | =          | =           | =           | =          | =         | =
suspend                   | suspended  | suspended   | suspended   | suspended  | =         | =
resume                    | =          | =           | =           | =          | holding   | =
stop                      | stopped    | stopped     | stopped     | stopped    | stopped   | =`;

const [header = [], ...rows] = TABLE.trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()));
const transitions = rows.flatMap(([event = '', ...cells]) =>
  cells.map((cell, i) => ({ event, state: header[i + 1] ?? '', next: cell === '=' ? (header[i + 1] ?? '') : cell })),
);

function stateOf(name: string): RotationState {
  const entry = Object.entries(STATES).find(([key]) => key === name);
  if (entry === undefined) throw new Error(`no state ${name}`);
  return entry[1];
}

describe('the transition table', () => {
  it('names every state and every event kind', () => {
    expect(header.slice(1)).toEqual(Object.keys(STATES) satisfies string[]);
    expect(rows.map(([event]) => event)).toEqual(Object.keys(EVENTS));
    const kinds = new Set(Object.values(EVENTS).map(([, event]) => event.kind));
    const every: Record<RotationEvent['kind'], true> = {
      start: true,
      timer: true,
      issued: true,
      failed: true,
      renew: true,
      'clock-step': true,
      suspend: true,
      resume: true,
      stop: true,
    };
    expect([...kinds].sort()).toEqual(Object.keys(every).sort());
    expect(Object.entries(STATES).every(([name, state]) => state.kind === (name satisfies string))).toBe(true);
  });

  it.each(transitions)('$state: $event -> $next', ({ event, state, next }) => {
    const entry = EVENTS[event];
    if (entry === undefined) throw new Error(`no event ${event}`);
    const [at, value] = entry;
    const before = stateOf(state);
    const step = stepRotation(before, value, context(at));
    expect(step.state.kind).toBe(next satisfies string);
    if (before.kind === 'stopped') expect(step).toEqual({ state: before, effects: [] });
  });

  it.each(['idle', 'requesting', 'backing-off', 'holding'] satisfies StateName[])('resumes what was %s', (name) => {
    const asleep = run(STATES[name], [[T, { kind: 'suspend' }]]).state;
    expect(run(asleep, [[T, { kind: 'resume' }]]).state.kind).toBe(name);
    const late = run(asleep, [[LATE, { kind: 'resume' }]]).state.kind;
    expect(late).toBe(name === 'idle' ? 'idle' : 'requesting');
  });
});

describe('effects', () => {
  it('asks, installs and sets the timer to half the life', () => {
    const { effects } = run(ROTATION_IDLE, [
      [T, { kind: 'start' }],
      [addMs(T, 40), issued(1, held)],
    ]);
    expect(effects).toEqual([
      { kind: 'request', request: 1, attempt: 1, reason: 'initial', ttlMs: 24 * HOUR_MS },
      { kind: 'set-timer', at: addMs(T, policy.requestTimeoutMs) },
      { kind: 'install', request: 1, certificate: held, reason: 'initial' },
      // Half of what was left when it arrived.
      { kind: 'set-timer', at: addMs(T, 40 + 12 * HOUR_MS - 20) },
    ]);
  });

  it('gives up a request at its deadline and backs off, longer each time', () => {
    let state = renewing;
    let at = addMs(T, 12 * HOUR_MS);
    const waits: number[] = [];
    for (let i = 0; i < 14; i++) {
      at = addMs(at, policy.requestTimeoutMs);
      const failed = stepRotation(state, { kind: 'timer' }, context(at));
      expect(failed.effects[0]).toEqual({ kind: 'cancel-request', request: i + 2 });
      expect(failed.effects[1]).toMatchObject({
        kind: 'renewal-failed',
        reason: ROTATION_REASONS.timeout,
        attempt: i + 1,
      });
      if (failed.state.kind !== 'backing-off') throw new Error(failed.state.kind);
      waits.push(failed.state.retryAt - at);
      at = failed.state.retryAt;
      state = stepRotation(failed.state, { kind: 'timer' }, context(at)).state;
      expect(state).toMatchObject({ kind: 'requesting', attempt: i + 2, held });
    }
    expect(waits.slice(0, 4)).toEqual([500, 750, 1125, 1688]);
    expect(waits.slice(-2)).toEqual([60_000, 60_000]);
  });

  it('starts the count anew after a renewal that worked', () => {
    const next = certificate(LATE, 'bb');
    const again = run(renewing, [
      [LATE, { kind: 'failed', request: 2, reason: 'unavailable' }],
      [addMs(LATE, 500), { kind: 'timer' }],
      [addMs(LATE, 500), issued(3, next)],
      [addMs(LATE, 500), { kind: 'renew' }],
    ]);
    expect(again.state).toMatchObject({ kind: 'requesting', attempt: 1, requests: 4, held: next });
    expect(again.effects.filter(({ kind }) => kind === 'request').map((e) => e.kind === 'request' && e.reason)).toEqual(
      ['rotation', 'rotation'],
    );
  });

  it('ignores the late answer to a request it gave up', () => {
    const gaveUp = run(renewing, [[LATE, { kind: 'timer' }]]).state;
    const step = stepRotation(gaveUp, issued(2, certificate(LATE, 'cc')), context(LATE));
    expect(step).toEqual({ state: gaveUp, effects: [] });
  });

  it('replaces the request under way when the trust bundle changes', () => {
    const step = stepRotation(renewing, { kind: 'renew' }, context(LATE));
    expect(step.effects.slice(0, 2)).toMatchObject([
      { kind: 'cancel-request', request: 2 },
      { kind: 'request', request: 3, attempt: 1 },
    ]);
  });

  it('remembers a wish for renewal while suspended', () => {
    const { state } = run(suspended, [
      [T, { kind: 'renew' }],
      [T, { kind: 'resume' }],
    ]);
    expect(state.kind).toBe('requesting');
    const started = run(ROTATION_IDLE, [
      [T, { kind: 'suspend' }],
      [T, { kind: 'start' }],
      [T, { kind: 'resume' }],
    ]);
    expect(started.state.kind).toBe('requesting');
    const notStarted = run(ROTATION_IDLE, [
      [T, { kind: 'suspend' }],
      [T, { kind: 'renew' }],
      [T, { kind: 'resume' }],
    ]);
    expect(notStarted.state.kind).toBe('idle');
  });

  it('waits for nothing but expiry when suspended, and for renewal again on resume', () => {
    const asleep = stepRotation(holding, { kind: 'suspend' }, context(T));
    expect(asleep.effects).toEqual([{ kind: 'set-timer', at: addMs(held.notAfter, 1) }]);
    const awake = stepRotation(asleep.state, { kind: 'resume' }, context(addMs(T, HOUR_MS)));
    expect(awake.effects).toEqual([{ kind: 'set-timer', at: addMs(T, 12 * HOUR_MS) }]);
  });

  it('cancels the request under way when suspended or stopped', () => {
    const timers = {
      suspend: { kind: 'set-timer', at: addMs(held.notAfter, 1) },
      stop: { kind: 'clear-timer' },
    } as const;
    for (const kind of ['suspend', 'stop'] as const) {
      const { effects } = stepRotation(renewing, { kind }, context(LATE));
      expect(effects).toEqual([{ kind: 'cancel-request', request: 2 }, timers[kind]]);
    }
  });
});

describe('expiry', () => {
  it('is noticed once, a millisecond after NotAfter, and the certificate stays in use', () => {
    let state = renewing;
    let at = addMs(T, 12 * HOUR_MS);
    const expired: Instant[] = [];
    for (let i = 0; i < 5000 && at < addMs(T, 25 * HOUR_MS); i++) {
      const step = stepRotation(state, { kind: 'timer' }, context(at));
      if (step.effects.some(({ kind }) => kind === 'expired')) expired.push(at);
      const timer = step.effects.find((effect) => effect.kind === 'set-timer');
      if (timer === undefined) throw new Error('no timer');
      expect(timer.at).toBeGreaterThan(at);
      [state, at] = [step.state, timer.at];
    }
    expect(expired).toEqual([addMs(held.notAfter, 1)]);
    expect(state).toMatchObject({ held });
  });

  it('is noticed while suspended, once', () => {
    const late = stepRotation(suspended, { kind: 'timer' }, context(addMs(held.notAfter, 1)));
    expect(late.effects.map(({ kind }) => kind)).toEqual(['expired']);
    expect(late.state.kind).toBe('suspended');
    const resumed = stepRotation(late.state, { kind: 'resume' }, context(addMs(T, 48 * HOUR_MS)));
    expect(resumed.effects.map(({ kind }) => kind)).toEqual(['request', 'set-timer']);
  });

  it('is noticed on resume', () => {
    const step = stepRotation(suspended, { kind: 'resume' }, context(addMs(T, 48 * HOUR_MS)));
    expect(step.effects.map(({ kind }) => kind)).toEqual(['request', 'expired', 'set-timer']);
  });
});

describe('clock skew', () => {
  it('renews by the clock of the agent', () => {
    // An hour fast: it sees 23 hours left when the certificate arrives, and waits for half of them.
    const fast = run(requesting, [[T, issued(1, held)]], HOUR_MS).state;
    expect(fast).toMatchObject({ kind: 'holding', renewAt: addMs(T, 11.5 * HOUR_MS) });
    const slow = run(requesting, [[T, issued(1, held)]], -HOUR_MS).state;
    expect(slow).toMatchObject({ kind: 'holding', renewAt: addMs(T, 12.5 * HOUR_MS) });
  });

  it('backs off, rather than ask without end, where the certificate is expired on arrival', () => {
    const { state, effects } = run(requesting, [[T, issued(1, held)]], 25 * HOUR_MS);
    expect(state).toMatchObject({ kind: 'backing-off', held, attempt: 1 });
    expect(effects.map(({ kind }) => kind)).toEqual(['install', 'renewal-failed', 'expired', 'set-timer']);
  });

  it('backs off where so little is left that it would ask without pause', () => {
    const delays = [997, 1_001].map(
      (leftMs) => run(requesting, [[T, issued(1, certificate(T, 'bb', leftMs))]]).state.kind,
    );
    expect(delays).toEqual(['backing-off', 'holding']);
  });

  it('notices expiry when the clock is set forward', () => {
    const step = stepRotation(holding, { kind: 'clock-step' }, context(T, 25 * HOUR_MS));
    expect(step.effects.map(({ kind }) => kind)).toEqual(['expired', 'set-timer']);
  });
});

describe('a policy', () => {
  it('has the defaults of Istio', () => {
    expect(rotationPolicy()).toEqual(DEFAULT_ROTATION_POLICY);
    expect(DEFAULT_ROTATION_POLICY).toMatchObject({ graceRatio: 0.5, jitterRatio: 0.01, ttlMs: 24 * HOUR_MS });
  });

  it.each([
    [{ graceRatio: 1.1 }, 'graceRatio'],
    [{ graceRatio: Number.NaN }, 'graceRatio'],
    [{ jitterRatio: -0.1 }, 'jitterRatio'],
    [{ ttlMs: 0 }, 'ttlMs'],
    [{ requestTimeoutMs: 0 }, 'requestTimeoutMs'],
    [{ backoff: { initialMs: 61_000 } }, 'backoff.initialMs'],
    [{ backoff: { multiplier: 0.5 } }, 'backoff.multiplier'],
  ])('refuses %j', (options, name) => {
    expect(() => rotationPolicy(options)).toThrow(expect.objectContaining({ code: 'ERR_PKI_OPTION' }));
    expect(() => rotationPolicy(options)).toThrow(name);
  });
});

it('is a pure function of state, event, context and the numbers drawn', () => {
  const twice = [1, 2].map(() =>
    stepRotation(requesting, issued(1, held), context(instantOf(T), 0, { policy: DEFAULT_ROTATION_POLICY })),
  );
  expect(twice[0]).toEqual(twice[1]);
});
