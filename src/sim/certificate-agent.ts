/**
 * The agent beside a sidecar: gets the workload's certificate, keeps it fresh, and hands the current one to every new
 * connection; holds the roots the sidecar trusts, which come with a certificate or by a push; and has a clock of its own,
 * which may be wrong. The shell of pki's rotation machine: it owns the timer, makes the key and the request, and reports.
 *
 * Not modelled: clock drift (a clock steps), loss of a request under way other than by its deadline.
 * @module
 */
import { addMs, assertNever, type EventLog, type Instant, messageOf, type Rng } from '../core/index.ts';
import type { SpiffeId } from '../identity/index.ts';
import {
  createCsr,
  generateKeyPair,
  type HeldCertificate,
  type KeyAlgorithm,
  ROTATION_IDLE,
  type RotationEffect,
  type RotationEvent,
  type RotationPolicy,
  type RotationState,
  stepRotation,
  type Svid,
  svidOf,
} from '../pki/index.ts';
import { CA_UNAVAILABLE, type MeshCa } from './mesh-ca.ts';
import { NO_ROOTS, type TrustedRoots } from './trusted-roots.ts';
import type { Timer, VirtualClock } from './virtual-clock.ts';

/** How a workload's requests for certificates fare. */
export interface CsrPath {
  /** From the request to the answer. @defaultValue 0: within the instant */
  readonly latencyMs?: number;
  /** The CA does not know this caller: every request is refused, and this is why. */
  readonly refusal?: string;
}

export interface CertificateAgentOptions {
  /** Who the workload is now: the CA names it so in the next certificate. */
  readonly identity: () => SpiffeId;
  readonly ca: MeshCa;
  readonly clock: VirtualClock;
  readonly events: EventLog;
  /** A stream of this agent's own: jitter, back-off. */
  readonly rng: Rng;
  readonly key: KeyAlgorithm;
  /** Keys come from `rng` too, so that a seeded world repeats its certificates. */
  readonly reproducibleKeys: boolean;
  readonly policy: RotationPolicy;
  /** What this workload's clock shows, less what it ought to show. @defaultValue 0 */
  readonly clockSkewMs?: number;
  readonly csr?: CsrPath;
}

/** What came back for a request. */
interface Answer {
  readonly svid: Svid;
  readonly trusted: TrustedRoots;
}

export class CertificateAgent {
  readonly #options: CertificateAgentOptions;
  readonly #queue: RotationEvent[] = [];
  readonly #pending = new Map<number, Answer>();
  readonly #underWay = new Map<number, Timer>();
  #state: RotationState = ROTATION_IDLE;
  #svid: Svid | undefined;
  #trusted: TrustedRoots = NO_ROOTS;
  /** Roots that were pushed while the workload was suspended. */
  #missed: { readonly trusted: TrustedRoots; readonly renew: boolean } | undefined;
  #timer: Timer | undefined;
  #running = false;
  #clockSkewMs: number;
  /** May be changed at any time; counts from the next request on. */
  csr: CsrPath;

  constructor(options: CertificateAgentOptions) {
    this.#options = options;
    this.#clockSkewMs = options.clockSkewMs ?? 0;
    this.csr = options.csr ?? {};
  }

  /** Who its certificate says it is; without one, who it is to be. */
  get spiffeId(): SpiffeId {
    return this.#svid?.spiffeId ?? this.#options.identity();
  }

  /** The certificate new connections present; an expired one too, as in Envoy. */
  current(): Svid | undefined {
    return this.#svid;
  }

  /** The roots that peers are judged by. */
  get trusted(): TrustedRoots {
    return this.#trusted;
  }

  /** What this workload's clock shows. */
  now(): Instant {
    return addMs(this.#options.clock.now(), this.#clockSkewMs);
  }

  get clockSkewMs(): number {
    return this.#clockSkewMs;
  }

  /** When it means to ask for the next certificate, on the mesh's clock; nothing unless it holds one and waits. */
  get renewAt(): Instant | undefined {
    return this.#state.kind === 'holding' ? this.#state.renewAt : undefined;
  }

  get isSuspended(): boolean {
    return this.#state.kind === 'suspended';
  }

  /** Gets the first certificate. */
  start(): void {
    this.#dispatch({ kind: 'start' });
  }

  /** Renews now. */
  renew(): void {
    this.#dispatch({ kind: 'renew' });
  }

  /** Stops renewing until `resume`; the certificate and the roots in use stay. */
  suspend(): void {
    this.#dispatch({ kind: 'suspend' });
  }

  resume(): void {
    this.#dispatch({ kind: 'resume' });
    const missed = this.#missed;
    this.#missed = undefined;
    if (missed !== undefined) this.push(missed.trusted, { renew: missed.renew });
  }

  /** Sets the workload's clock, to `skewMs` more than it ought to show. */
  stepClock(skewMs: number): void {
    if (skewMs === this.#clockSkewMs) return;
    this.#clockSkewMs = skewMs;
    this.#options.events.append({ kind: 'clock.stepped', spiffeId: this.spiffeId, skewMs });
    this.#dispatch({ kind: 'clock-step' });
  }

  /** News from the control plane: other roots, and perhaps the wish that every certificate be signed anew. */
  push(trusted: TrustedRoots, options: { readonly renew: boolean }): void {
    if (this.isSuspended) {
      this.#missed = { trusted, renew: options.renew || this.#missed?.renew === true };
      return;
    }
    this.#trust(trusted);
    if (options.renew) this.renew();
  }

  stop(): void {
    this.#dispatch({ kind: 'stop' });
    this.#timer?.[Symbol.dispose]();
    for (const timer of this.#underWay.values()) timer[Symbol.dispose]();
    this.#underWay.clear();
  }

  #trust(trusted: TrustedRoots): void {
    if (trusted === this.#trusted) return;
    const known = this.#trusted !== NO_ROOTS;
    this.#trusted = trusted;
    // The first roots come with the first certificate, which is an event already.
    if (!known) return;
    const roots = trusted.roots.map(({ serial }) => serial);
    this.#options.events.append({ kind: 'trust.changed', spiffeId: this.spiffeId, roots });
  }

  /** Effects may cause events: they queue up and run one after the other. */
  #dispatch(event: RotationEvent): void {
    this.#queue.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { clock, policy, rng } = this.#options;
        const step = stepRotation(this.#state, next, {
          at: clock.now(),
          clockSkewMs: this.#clockSkewMs,
          policy,
          rng,
        });
        this.#state = step.state;
        for (const effect of step.effects) this.#perform(effect);
      }
    } finally {
      this.#running = false;
    }
  }

  #perform(effect: RotationEffect): void {
    const { clock, events } = this.#options;
    const { spiffeId } = this;
    switch (effect.kind) {
      case 'request':
        this.#request(effect.request, effect.ttlMs);
        return;
      case 'cancel-request':
        this.#pending.delete(effect.request);
        this.#underWay.get(effect.request)?.[Symbol.dispose]();
        this.#underWay.delete(effect.request);
        return;
      case 'install':
        this.#install(effect.request, effect.certificate, effect.reason);
        return;
      case 'set-timer':
        this.#timer?.[Symbol.dispose]();
        this.#timer = clock.schedule(effect.at, () => this.#dispatch({ kind: 'timer' }));
        return;
      case 'clear-timer':
        this.#timer?.[Symbol.dispose]();
        this.#timer = undefined;
        return;
      case 'renewal-failed': {
        const { reason, attempt, retryAt } = effect;
        events.append({ kind: 'certificate.renewal-failed', spiffeId, reason, attempt, retryAt });
        return;
      }
      case 'expired':
        events.append({ kind: 'certificate.expired', spiffeId, serial: effect.certificate.serial });
        return;
      default:
        assertNever(effect);
    }
  }

  /** The CA signs when the answer is due: an outage meanwhile is met. */
  #request(request: number, ttlMs: number): void {
    const { latencyMs = 0 } = this.csr;
    if (latencyMs === 0) {
      this.#ask(request, ttlMs);
      return;
    }
    const { clock } = this.#options;
    const timer = clock.schedule(addMs(clock.now(), latencyMs), () => {
      this.#underWay.delete(request);
      this.#ask(request, ttlMs);
    });
    this.#underWay.set(request, timer);
  }

  #ask(request: number, ttlMs: number): void {
    const { ca, clock, rng, key, reproducibleKeys, identity } = this.#options;
    const at = clock.now();
    // A request that goes nowhere costs no key.
    const { refusal = ca.available ? undefined : CA_UNAVAILABLE } = this.csr;
    if (refusal !== undefined) {
      this.#dispatch({ kind: 'failed', request, reason: refusal });
      return;
    }
    try {
      const spiffeId = identity();
      const keyPair = generateKeyPair(key, reproducibleKeys ? { rng: rng.fork(`key/${request}`) } : {});
      const chain = ca.sign(createCsr(keyPair, { spiffeId }), { spiffeId, at, ttlMs });
      const svid = svidOf(chain, { spiffeId, key: keyPair, receivedAt: at });
      this.#pending.set(request, { svid, trusted: ca.trusted });
      this.#dispatch({ kind: 'issued', request, certificate: svid });
    } catch (error) {
      this.#dispatch({ kind: 'failed', request, reason: messageOf(error) });
    }
  }

  #install(request: number, certificate: HeldCertificate, reason: 'initial' | 'rotation'): void {
    const answer = this.#pending.get(request);
    this.#pending.clear();
    if (answer === undefined) return;
    this.#svid = answer.svid;
    this.#trust(answer.trusted);
    const { serial, notBefore, notAfter } = certificate;
    const { spiffeId } = answer.svid;
    this.#options.events.append({ kind: 'certificate.issued', spiffeId, serial, notBefore, notAfter, reason });
  }
}
