/**
 * The dashboard and the security audit people read first: services, mutual TLS coverage, flows.
 *
 * Text only, line for line what the Python original of this dashboard prints, so its readers find every number where
 * they expect it. Colour is a function handed in; alignment is computed before it is applied. Times are virtual, UTC.
 * @module
 */
import { addMs, DEFAULT_EPOCH, formatInstant, MINUTE_MS, type Instant, type MeshEvent } from '../core/index.ts';
import { overlap } from './event-window.ts';
import { fixed, left, right, thousands } from './python-format.ts';
import { ServiceMetricsFold, type ServiceMetrics } from './service-metrics.ts';
import { TrafficFlowFold, type TrafficFlow } from './traffic-flow.ts';

const RULE: string = '='.repeat(60);

/** Per cent of failed requests from which a service is `WARN`, and from which it is `CRIT`. */
const WARN_PERCENT = 1;
const CRIT_PERCENT = 5;

/** What a piece of text is, for colouring. */
export type TextRole = 'heading' | 'ok' | 'warn' | 'crit' | 'mtls' | 'plain';
export type Paint = (role: TextRole, text: string) => string;

export interface ObservabilityOptions {
  /**
   * The time in the heading.
   * @defaultValue `DEFAULT_EPOCH`
   */
  readonly at?: Instant;
  /** Colours a piece of text. @defaultValue leaves it as it is */
  readonly paint?: Paint;
}

export interface FromEventsOptions extends ObservabilityOptions {
  /**
   * The span that rates, error rates and percentiles are over; it ends at `at`.
   * @defaultValue one minute
   */
  readonly windowMs?: number;
}

export class MeshObservability {
  readonly #services = new Map<string, ServiceMetrics>();
  readonly #flows: TrafficFlow[] = [];
  readonly #at: Instant;
  readonly #paint: Paint;

  constructor(options: ObservabilityOptions = {}) {
    this.#at = options.at ?? DEFAULT_EPOCH;
    this.#paint = options.paint ?? ((_role, text) => text);
  }

  /**
   * The state of a mesh at one instant: of each service its requests a second, rounded, in the place of a total.
   * `at` defaults to the time of the last event.
   */
  static fromEvents(events: Iterable<MeshEvent>, options: FromEventsOptions = {}): MeshObservability {
    const log = [...events];
    const at = options.at ?? log.at(-1)?.at ?? DEFAULT_EPOCH;
    const from = addMs(at, -(options.windowMs ?? MINUTE_MS));
    const recent = log.filter((event) => concerns(event, from, at));
    const flows = new TrafficFlowFold({ from, to: at }).addAll(recent);
    const rps = flows.rpsByService();
    const mesh = new MeshObservability({ ...options, at });
    for (const [key, metrics] of new ServiceMetricsFold().addAll(recent).bySubject()) {
      mesh.addService({ ...metrics, requestsTotal: Math.round(rps.get(key) ?? 0) });
    }
    for (const flow of flows.snapshot()) mesh.addTraffic({ ...flow, rps: Math.round(flow.rps) });
    return mesh;
  }

  /** Adds a service, or replaces the one of that name in its place. */
  addService(metrics: ServiceMetrics): void {
    this.#services.set(metrics.name, metrics);
  }

  addTraffic(flow: TrafficFlow): void;
  addTraffic(source: string, dest: string, rps: number, errorRate: number, mtls: boolean): void;
  addTraffic(
    first: TrafficFlow | string,
    dest: string = '',
    rps: number = 0,
    errorRate: number = 0,
    mtls: boolean = false,
  ): void {
    this.#flows.push(typeof first === 'string' ? { source: first, dest, rps, errorRate, mtls } : first);
  }

  get services(): readonly ServiceMetrics[] {
    return [...this.#services.values()];
  }

  get trafficFlows(): readonly TrafficFlow[] {
    return [...this.#flows];
  }

  /** The dashboard, without a final line break. */
  dashboard(): string {
    const services = this.services;
    const total = services.length;
    const covered = services.filter((service) => service.mtlsEnabled).length;
    // Nothing to cover is no coverage, not a division by zero.
    const percent = fixed(total === 0 ? 0 : (covered / total) * 100, 0);
    const rps = services.reduce((sum, service) => sum + service.requestsTotal, 0);
    return [
      '',
      RULE,
      this.#paint('heading', `Service Mesh Dashboard — ${formatInstant(this.#at).slice(11, 16)}`),
      RULE,
      ` Services: ${total}`,
      ` mTLS Coverage: ${covered}/${total} (${percent}%)`,
      ` Total RPS: ${thousands(rps)}`,
      '',
      ' Services:',
      ...services.map((service) => this.#serviceLine(service)),
      '',
      ' Traffic Flows:',
      ...this.#flows.map((flow) => this.#flowLine(flow)),
    ].join('\n');
  }

  /** Every service and flow without mutual TLS, without a final line break. */
  securityAudit(): string {
    const issues = [
      ...this.services.filter((s) => !s.mtlsEnabled).map((s) => `${s.name} — mTLS not enabled`),
      ...this.#flows.filter((flow) => !flow.mtls).map((flow) => `${flow.source} -> ${flow.dest} — Plain text`),
    ];
    const lines =
      issues.length > 0
        ? issues.map((issue) => `  ${this.#paint('warn', 'WARN')}: ${issue}`)
        : [` All services using mTLS — ${this.#paint('ok', 'PASS')}`];
    return ['', ' Security Audit:', ...lines].join('\n');
  }

  #serviceLine(service: ServiceMetrics): string {
    const health = healthOf(service.errorRate);
    return (
      ` [${this.#paint(health, right(health.toUpperCase(), 4))}] ${left(service.name, 25)} ` +
      `RPS:${right(service.requestsTotal, 6)} ` +
      `Err:${fixed(service.errorRate, 1)}% ` +
      `P99:${fixed(service.p99LatencyMs, 0)}ms ` +
      this.#security(service.mtlsEnabled)
    );
  }

  #flowLine(flow: TrafficFlow): string {
    return ` ${right(flow.source, 20)} -> ${left(flow.dest, 20)} ${right(flow.rps, 4)} rps ${this.#security(flow.mtls)}`;
  }

  #security(mtls: boolean): string {
    return `[${mtls ? this.#paint('mtls', 'mTLS') : this.#paint('plain', 'PLAIN')}]`;
  }
}

function healthOf(errorPercent: number): 'ok' | 'warn' | 'crit' {
  if (errorPercent < WARN_PERCENT) return 'ok';
  return errorPercent < CRIT_PERCENT ? 'warn' : 'crit';
}

/** Traffic of the window, and every connection up to its end: a socket opened earlier may still be open. */
function concerns(event: MeshEvent, from: Instant, to: Instant): boolean {
  if (event.kind === 'connection.opened' || event.kind === 'connection.closed') return event.at <= to;
  return overlap(event.at, event.kind === 'traffic.recorded' ? event.intervalMs : 0, from, to) > 0;
}
