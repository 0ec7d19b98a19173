/**
 * Faults and captures on the links of a mesh, on its clock.
 *
 * A fault is a rule on the wire's seam with a window of virtual time. When one begins, idle connections are closed and
 * busy ones retire, so that what goes over a link from then on goes through the rule.
 * @module
 */
import { addMs, type EventLog, type Instant, MeshError, parseDuration, parseInstant } from '../core/index.ts';
import { Capture, type CaptureOptions, isInterposed, type Seam, type WireRule } from '../wire/index.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Instants, or text: an RFC 3339 time, or a duration from now. */
export interface FaultWindow {
  /** @defaultValue now */
  readonly from?: Instant | string;
  /** Not included. @defaultValue until the handle is disposed */
  readonly until?: Instant | string;
}

export interface TroubleWorld {
  readonly seam: Seam;
  readonly clock: VirtualClock;
  readonly events: EventLog;
  /** A pod's address; nothing for what is no pod. */
  ipOf(workload: string): string | undefined;
  /** Closes connections, so that new ones meet today's rules. */
  redial(): Promise<void>;
}

export class Trouble {
  readonly #world: TroubleWorld;

  constructor(world: TroubleWorld) {
    this.#world = world;
  }

  /** @throws MeshError `ERR_TIME_SYNTAX`, `ERR_FAULT_INVALID` for a window that ends before it begins */
  fault(rule: WireRule, window: FaultWindow = {}): Disposable {
    const { clock, seam } = this.#world;
    const from = this.#instant(window.from) ?? clock.now();
    const until = this.#instant(window.until);
    if (until !== undefined && until <= from)
      throw new MeshError('ERR_FAULT_INVALID', `the fault \`${rule.name}\` ends before it begins`);
    const isInForce = (): boolean => clock.now() >= from && (until === undefined || clock.now() < until);
    const handles: Disposable[] = [seam.install(rule, isInForce)];
    if (from <= clock.now()) void clock.track(this.#begin(rule));
    else handles.push(clock.schedule(from, () => this.#begin(rule)));
    if (until !== undefined) handles.push(clock.schedule(until, () => this.#tell(rule, 'over')));
    return {
      [Symbol.dispose]: () => {
        for (const handle of handles) handle[Symbol.dispose]();
      },
    };
  }

  capture(options?: CaptureOptions): Capture {
    const { seam, clock } = this.#world;
    const world = { now: () => clock.now(), ipOf: (workload: string) => this.#world.ipOf(workload) };
    const capture = Capture.start(seam, world, options);
    void clock.track(this.#world.redial());
    return capture;
  }

  async #begin(rule: WireRule): Promise<void> {
    this.#tell(rule, 'begins');
    if (isInterposed(rule)) await this.#world.redial();
  }

  #tell({ name }: WireRule, detail: string): void {
    const link = name.slice(name.indexOf(' ') + 1);
    this.#world.events.append({ kind: 'fault.injected', rule: name, link, detail });
  }

  #instant(at: Instant | string | undefined): Instant | undefined {
    if (typeof at !== 'string') return at;
    return /^\d{4}-/.test(at) ? parseInstant(at) : addMs(this.#world.clock.now(), parseDuration(at));
  }
}
