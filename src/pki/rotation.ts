/**
 * The life of a workload's certificate as a step machine: ask, install, wait, renew, back off, notice expiry. It holds
 * no clock, timer, key or socket: `stepRotation` takes a state and an event and returns the next state and effects for
 * the shell to carry out.
 *
 * | state       | start      | timer         | issued                | failed        | renew      | suspend   | stop    |
 * |-------------|------------|---------------|-----------------------|---------------|------------|-----------|---------|
 * | idle        | requesting | =             | =                     | =             | =          | suspended | stopped |
 * | requesting  | =          | = backing-off | = holding backing-off | = backing-off | requesting | suspended | stopped |
 * | backing-off | =          | = requesting  | =                     | =             | requesting | suspended | stopped |
 * | holding     | =          | = requesting  | =                     | =             | requesting | suspended | stopped |
 * | suspended   | =          | =             | =                     | =             | =          | =         | stopped |
 * | stopped     | =          | =             | =                     | =             | =          | =         | =       |
 *
 * `resume` leads from suspended to what was before, or to requesting where that is due; elsewhere it changes nothing.
 * `clock-step` changes no state.
 * (`=` stays; where there are several, the numbers decide: `issued` and `failed` count only with the number of the
 * request under way, `timer` only when its instant has come.)
 *
 * Two clocks: timers run on the mesh's (a wait is a wait, whatever the wall says); the renewal delay and expiry are
 * judged on the agent's own, `at + clockSkewMs`, against the dates in the certificate. Old certificates stay in use
 * until they are replaced, past their expiry too, as in Envoy.
 *
 * Where this differs from Istio's agent: a certificate that is due for renewal as it arrives, or sooner than the first
 * back-off (an agent whose clock runs far ahead, a grace ratio of 1), is installed and then counts as a failed attempt,
 * so that the agent backs off; Istio's asks again at once, without end. A suspended agent reads nothing: an answer
 * that comes meanwhile is lost, and the agent asks anew when it resumes. That its certificate expires is noticed all
 * the same.
 *
 * Source: istio `security/pkg/nodeagent/cache/secretcache.go`, `security/pkg/nodeagent/sds`.
 * @module
 */
// INVARIANT: at most one request is under way; answers that do not carry its number change nothing.
// INVARIANT: every state that waits for something has its timer set; after a `timer` event it lies ahead.
import { addMs, assertNever, type Instant, type Rng } from '../core/index.ts';
import { backoffDelayMs, rotationDelayMs, type RotationPolicy } from './rotation-schedule.ts';

/** What the machine must know about a certificate. */
export interface HeldCertificate {
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

interface Active {
  /** The certificate in use, if there is one. */
  readonly held?: HeldCertificate;
  /** The expiry of `held` has been reported. */
  readonly expiryNoticed: boolean;
  /** How many requests were made: the number of the latest. */
  readonly requests: number;
}

export interface Idle extends Active {
  readonly kind: 'idle';
}
export interface Requesting extends Active {
  readonly kind: 'requesting';
  /** 1 for the first attempt at this renewal. */
  readonly attempt: number;
  readonly deadlineAt: Instant;
}
export interface BackingOff extends Active {
  readonly kind: 'backing-off';
  /** The attempt that failed. */
  readonly attempt: number;
  readonly retryAt: Instant;
}
export interface Holding extends Active {
  readonly kind: 'holding';
  readonly held: HeldCertificate;
  readonly renewAt: Instant;
}
export interface Suspended {
  readonly kind: 'suspended';
  readonly before: Idle | Requesting | BackingOff | Holding;
  /** Somebody wanted a certificate meanwhile: ask on resume. */
  readonly wanted: boolean;
}
export interface Stopped {
  readonly kind: 'stopped';
}

export type RotationState = Idle | Requesting | BackingOff | Holding | Suspended | Stopped;

export type RotationEvent =
  /** The workload starts: get a first certificate. */
  | { readonly kind: 'start' }
  /** The timer that `set-timer` asked for; one that comes early or late does no harm. */
  | { readonly kind: 'timer' }
  /** The CA answered request `request` with a certificate. */
  | { readonly kind: 'issued'; readonly request: number; readonly certificate: HeldCertificate }
  /** The CA refused request `request`, or could not be reached. */
  | { readonly kind: 'failed'; readonly request: number; readonly reason: string }
  /** Renew now: the trust bundle changed, or an operator asks. */
  | { readonly kind: 'renew' }
  /** The workload's clock was set: `context.clockSkewMs` is another from now on. */
  | { readonly kind: 'clock-step' }
  | { readonly kind: 'suspend' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'stop' };

export type RotationReason = 'initial' | 'rotation';

export type RotationEffect =
  /** Make a key and a request, send it, and answer with `issued` or `failed` carrying the number. */
  | {
      readonly kind: 'request';
      readonly request: number;
      readonly attempt: number;
      readonly reason: RotationReason;
      readonly ttlMs: number;
    }
  /** The answer to this request no longer matters. */
  | { readonly kind: 'cancel-request'; readonly request: number }
  /** Put this certificate to use for connections from now on. */
  | {
      readonly kind: 'install';
      readonly request: number;
      readonly certificate: HeldCertificate;
      readonly reason: RotationReason;
    }
  /** Deliver `timer` at this instant of the mesh's clock, instead of any earlier wish. */
  | { readonly kind: 'set-timer'; readonly at: Instant }
  | { readonly kind: 'clear-timer' }
  | { readonly kind: 'renewal-failed'; readonly reason: string; readonly attempt: number; readonly retryAt: Instant }
  | { readonly kind: 'expired'; readonly certificate: HeldCertificate };

export interface RotationContext {
  /** Now, on the mesh's clock. */
  readonly at: Instant;
  /** What this workload's clock shows, less what it ought to show. */
  readonly clockSkewMs: number;
  readonly policy: RotationPolicy;
  /** A stream of this workload's own. */
  readonly rng: Rng;
}

export interface RotationStep {
  readonly state: RotationState;
  readonly effects: readonly RotationEffect[];
}

/** Before `start`. */
export const ROTATION_IDLE: RotationState = { kind: 'idle', expiryNoticed: false, requests: 0 };

/** Reasons the machine itself gives for a failure; the CA's and the network's come with `failed`. */
export const ROTATION_REASONS = {
  timeout: 'request_timeout',
  dueOnArrival: 'due_on_arrival',
} as const;

/** One step. Pure but for the numbers it draws from `context.rng`. */
export function stepRotation(state: RotationState, event: RotationEvent, context: RotationContext): RotationStep {
  const moved = transition(state, event, context);
  const noticed = noticeExpiry(moved, context);
  // A timer that fired is gone, and a changed clock moves expiry: both set the timer afresh.
  const stale = event.kind === 'timer' || event.kind === 'clock-step';
  const before = stale ? undefined : timerOf(state, context);
  return withTimer(noticed, before, context);
}

function transition(state: RotationState, event: RotationEvent, context: RotationContext): RotationStep {
  switch (state.kind) {
    case 'idle':
      return stepIdle(state, event, context);
    case 'requesting':
      return stepRequesting(state, event, context);
    case 'backing-off':
      return stepWaiting(state, state.retryAt, event, context);
    case 'holding':
      return stepWaiting(state, state.renewAt, event, context);
    case 'suspended':
      return stepSuspended(state, event, context);
    case 'stopped':
      return stay(state);
    default:
      return assertNever(state);
  }
}

function stay(state: RotationState): RotationStep {
  return { state, effects: [] };
}

function stepIdle(state: Idle, event: RotationEvent, context: RotationContext): RotationStep {
  switch (event.kind) {
    case 'start':
      return becomeRequesting(state, 1, context);
    case 'suspend':
      return { state: { kind: 'suspended', before: state, wanted: false }, effects: [] };
    case 'stop':
      return becomeStopped(state);
    case 'timer':
    case 'issued':
    case 'failed':
    case 'renew':
    case 'clock-step':
    case 'resume':
      return stay(state);
    default:
      return assertNever(event);
  }
}

function stepRequesting(state: Requesting, event: RotationEvent, context: RotationContext): RotationStep {
  const cancel: RotationEffect = { kind: 'cancel-request', request: state.requests };
  switch (event.kind) {
    case 'timer':
      if (context.at < state.deadlineAt) return stay(state);
      return after([cancel], becomeBackingOff(state, ROTATION_REASONS.timeout, context));
    case 'issued':
      return event.request === state.requests ? becomeHolding(state, event.certificate, context) : stay(state);
    case 'failed':
      return event.request === state.requests ? becomeBackingOff(state, event.reason, context) : stay(state);
    case 'renew':
      return after([cancel], becomeRequesting(state, state.attempt, context));
    case 'suspend':
      return { state: { kind: 'suspended', before: state, wanted: false }, effects: [cancel] };
    case 'stop':
      return becomeStopped(state);
    case 'start':
    case 'clock-step':
    case 'resume':
      return stay(state);
    default:
      return assertNever(event);
  }
}

/** Backing off and holding wait alike: for an instant at which to ask. */
function stepWaiting(
  state: BackingOff | Holding,
  until: Instant,
  event: RotationEvent,
  context: RotationContext,
): RotationStep {
  switch (event.kind) {
    case 'timer':
      return context.at < until ? stay(state) : becomeRequesting(state, nextAttempt(state), context);
    case 'renew':
      return becomeRequesting(state, nextAttempt(state), context);
    case 'suspend':
      return { state: { kind: 'suspended', before: state, wanted: false }, effects: [] };
    case 'stop':
      return becomeStopped(state);
    case 'start':
    case 'issued':
    case 'failed':
    case 'clock-step':
    case 'resume':
      return stay(state);
    default:
      return assertNever(event);
  }
}

function stepSuspended(state: Suspended, event: RotationEvent, context: RotationContext): RotationStep {
  switch (event.kind) {
    case 'start':
      return stay({ ...state, wanted: true });
    case 'renew':
      return stay({ ...state, wanted: state.wanted || state.before.kind !== 'idle' });
    case 'resume':
      return becomeResumed(state, context);
    case 'stop':
      return becomeStopped(state);
    case 'timer':
    case 'issued':
    case 'failed':
    case 'clock-step':
    case 'suspend':
      return stay(state);
    default:
      return assertNever(event);
  }
}

function becomeResumed({ before, wanted }: Suspended, context: RotationContext): RotationStep {
  switch (before.kind) {
    case 'idle':
      return wanted ? becomeRequesting(before, 1, context) : stay(before);
    case 'requesting':
      return becomeRequesting(before, before.attempt, context);
    case 'backing-off':
    case 'holding': {
      const due = before.kind === 'holding' ? before.renewAt : before.retryAt;
      return wanted || context.at >= due ? becomeRequesting(before, nextAttempt(before), context) : stay(before);
    }
    default:
      return assertNever(before);
  }
}

function nextAttempt(state: BackingOff | Holding): number {
  return state.kind === 'holding' ? 1 : state.attempt + 1;
}

function becomeRequesting(state: Active, attempt: number, context: RotationContext): RotationStep {
  const { policy, at } = context;
  const request = state.requests + 1;
  const deadlineAt = addMs(at, policy.requestTimeoutMs);
  return {
    state: { kind: 'requesting', ...activeOf(state), requests: request, attempt, deadlineAt },
    effects: [{ kind: 'request', request, attempt, reason: reasonOf(state), ttlMs: policy.ttlMs }],
  };
}

function becomeBackingOff(state: Requesting, reason: string, context: RotationContext): RotationStep {
  const { attempt } = state;
  const retryAt = addMs(context.at, backoffDelayMs(attempt, context.policy.backoff, context.rng));
  return {
    state: { kind: 'backing-off', ...activeOf(state), attempt, retryAt },
    effects: [{ kind: 'renewal-failed', reason, attempt, retryAt }],
  };
}

function becomeHolding(state: Requesting, certificate: HeldCertificate, context: RotationContext): RotationStep {
  const { at, policy, rng } = context;
  const install: RotationEffect = {
    kind: 'install',
    request: state.requests,
    certificate,
    reason: reasonOf(state),
  };
  const received = agentNow(context);
  const delayMs = rotationDelayMs({ created: received, expire: certificate.notAfter, now: received, ...policy, rng });
  const active = { held: certificate, expiryNoticed: false, requests: state.requests };
  if (delayMs >= policy.backoff.initialMs)
    return { state: { kind: 'holding', ...active, renewAt: addMs(at, delayMs) }, effects: [install] };
  return after([install], becomeBackingOff({ ...state, ...active }, ROTATION_REASONS.dueOnArrival, context));
}

function becomeStopped(state: RotationState): RotationStep {
  const effects: RotationEffect[] =
    state.kind === 'requesting' ? [{ kind: 'cancel-request', request: state.requests }] : [];
  return { state: { kind: 'stopped' }, effects };
}

function activeOf({ held, expiryNoticed, requests }: Active): Active {
  return held === undefined ? { expiryNoticed, requests } : { held, expiryNoticed, requests };
}

function reasonOf({ held }: Active): RotationReason {
  return held === undefined ? 'initial' : 'rotation';
}

function after(effects: readonly RotationEffect[], step: RotationStep): RotationStep {
  return { state: step.state, effects: [...effects, ...step.effects] };
}

function agentNow({ at, clockSkewMs }: RotationContext): Instant {
  return addMs(at, clockSkewMs);
}

/** NotAfter itself still counts as valid (RFC 5280 §4.1.2.5). */
function noticeExpiry({ state, effects }: RotationStep, context: RotationContext): RotationStep {
  if (state.kind === 'stopped') return { state, effects };
  const active = state.kind === 'suspended' ? state.before : state;
  const { held, expiryNoticed } = active;
  if (held === undefined || expiryNoticed || agentNow(context) <= held.notAfter) return { state, effects };
  const noticed = { ...active, expiryNoticed: true };
  return {
    state: state.kind === 'suspended' ? { ...state, before: noticed } : noticed,
    effects: [...effects, { kind: 'expired', certificate: held }],
  };
}

/** The next instant, on the mesh's clock, at which this state has something to do by itself. */
function timerOf(state: RotationState, { clockSkewMs }: RotationContext): Instant | undefined {
  if (state.kind === 'idle' || state.kind === 'stopped') return undefined;
  const due = state.kind === 'suspended' ? undefined : dueOf(state);
  const { held, expiryNoticed } = state.kind === 'suspended' ? state.before : state;
  if (held === undefined || expiryNoticed) return due;
  const expiry = addMs(held.notAfter, 1 - clockSkewMs);
  return due === undefined || expiry < due ? expiry : due;
}

function dueOf(state: Requesting | BackingOff | Holding): Instant {
  switch (state.kind) {
    case 'requesting':
      return state.deadlineAt;
    case 'backing-off':
      return state.retryAt;
    case 'holding':
      return state.renewAt;
    default:
      return assertNever(state);
  }
}

function withTimer(step: RotationStep, before: Instant | undefined, context: RotationContext): RotationStep {
  const next = timerOf(step.state, context);
  if (next === before) return step;
  const effect: RotationEffect = next === undefined ? { kind: 'clear-timer' } : { kind: 'set-timer', at: next };
  return { state: step.state, effects: [...step.effects, effect] };
}
