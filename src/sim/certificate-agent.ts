/**
 * The agent beside a sidecar: gets the workload's certificate, keeps it fresh, and hands the current one to every new
 * connection. The shell of pki's rotation machine: it owns the timer, makes the key and the request, and reports.
 * @module
 */
import { assertNever, type EventLog, messageOf, type Rng } from '../core/index.ts';
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
import type { MeshCa } from './mesh-ca.ts';
import type { Timer, VirtualClock } from './virtual-clock.ts';

export interface CertificateAgentOptions {
  readonly spiffeId: SpiffeId;
  readonly ca: MeshCa;
  readonly clock: VirtualClock;
  readonly events: EventLog;
  /** A stream of this agent's own: jitter, back-off. */
  readonly rng: Rng;
  readonly key: KeyAlgorithm;
  /** Keys come from `rng` too, so that a seeded world repeats its certificates. */
  readonly reproducibleKeys: boolean;
  readonly policy: RotationPolicy;
  /** What this workload's clock shows, less what it ought to show. */
  readonly clockSkewMs?: number;
}

export class CertificateAgent {
  readonly spiffeId: SpiffeId;
  readonly #options: CertificateAgentOptions;
  readonly #queue: RotationEvent[] = [];
  readonly #pending = new Map<number, Svid>();
  #state: RotationState = ROTATION_IDLE;
  #svid: Svid | undefined;
  #timer: Timer | undefined;
  #running = false;

  constructor(options: CertificateAgentOptions) {
    this.spiffeId = options.spiffeId;
    this.#options = options;
  }

  /** The certificate new connections present; an expired one too, as in Envoy. */
  current(): Svid | undefined {
    return this.#svid;
  }

  /** Gets the first certificate. */
  start(): void {
    this.#dispatch({ kind: 'start' });
  }

  /** Renews now. */
  renew(): void {
    this.#dispatch({ kind: 'renew' });
  }

  /** Stops renewing until `resume`; the certificate in use stays. */
  suspend(): void {
    this.#dispatch({ kind: 'suspend' });
  }

  resume(): void {
    this.#dispatch({ kind: 'resume' });
  }

  stop(): void {
    this.#dispatch({ kind: 'stop' });
    this.#timer?.[Symbol.dispose]();
  }

  /** Effects may cause events: they queue up and run one after the other. */
  #dispatch(event: RotationEvent): void {
    this.#queue.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { clock, policy, rng, clockSkewMs = 0 } = this.#options;
        const step = stepRotation(this.#state, next, { at: clock.now(), clockSkewMs, policy, rng });
        this.#state = step.state;
        for (const effect of step.effects) this.#perform(effect);
      }
    } finally {
      this.#running = false;
    }
  }

  #perform(effect: RotationEffect): void {
    const { clock, events } = this.#options;
    switch (effect.kind) {
      case 'request':
        this.#request(effect.request, effect.ttlMs);
        return;
      case 'cancel-request':
        this.#pending.delete(effect.request);
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
      case 'renewal-failed':
        events.append({
          kind: 'certificate.renewal-failed',
          spiffeId: this.spiffeId,
          reason: effect.reason,
          attempt: effect.attempt,
          retryAt: effect.retryAt,
        });
        return;
      case 'expired':
        events.append({ kind: 'certificate.expired', spiffeId: this.spiffeId, serial: effect.certificate.serial });
        return;
      default:
        assertNever(effect);
    }
  }

  #request(request: number, ttlMs: number): void {
    const { ca, clock, rng, key, reproducibleKeys } = this.#options;
    const at = clock.now();
    try {
      const keyPair = generateKeyPair(key, reproducibleKeys ? { rng: rng.fork(`key/${request}`) } : {});
      const chain = ca.sign(createCsr(keyPair, { spiffeId: this.spiffeId }), { spiffeId: this.spiffeId, at, ttlMs });
      const svid = svidOf(chain, { spiffeId: this.spiffeId, key: keyPair, receivedAt: at });
      this.#pending.set(request, svid);
      this.#dispatch({ kind: 'issued', request, certificate: svid });
    } catch (error) {
      this.#dispatch({ kind: 'failed', request, reason: messageOf(error) });
    }
  }

  #install(request: number, certificate: HeldCertificate, reason: 'initial' | 'rotation'): void {
    const svid = this.#pending.get(request);
    this.#pending.clear();
    if (svid === undefined) return;
    this.#svid = svid;
    const { serial, notBefore, notAfter } = certificate;
    this.#options.events.append({
      kind: 'certificate.issued',
      spiffeId: this.spiffeId,
      serial,
      notBefore,
      notAfter,
      reason,
    });
  }
}
