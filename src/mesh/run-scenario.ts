/**
 * Runs a scenario: starts its mesh, tries who may call what, lets its clients and traffic run for its virtual time,
 * applies its events on the way, and holds what happened against what it expects.
 * @module
 */
import { isAbsolute, join } from 'node:path';
import { addMs, formatDuration, type Instant, instantOf, MINUTE_MS, parseDuration } from '../core/index.ts';
import { parseManifests } from '../istio/index.ts';
import { type Caller, type Outcome, TrafficRunner } from '../sim/index.ts';
import type { AuditFinding } from '../telemetry/index.ts';
import { auditMesh } from './best-practices.ts';
import { definedOnly } from './defined-only.ts';
import { performIdentityAction } from './identity-action.ts';
import { Mesh } from './mesh.ts';
import { type EventFile, identityActionsOf } from './scenario-event-schema.ts';
import { type LoadedScenario, loadScenario, readBeside } from './scenario-file.ts';
import { type LowCodeRun, runLowCode } from './scenario-lowcode.ts';
import { scenarioMesh } from './scenario-mesh.ts';
import type { AccessFile, ExpectationFile, ScenarioFile } from './scenario-schema.ts';
import { requestOf, trafficFlows } from './scenario-traffic.ts';

export interface RunOptions {
  /** Overrides the scenario's. */
  readonly seed?: string;
  /** Virtual time to run, e.g. `24h`; overrides the scenario's. */
  readonly for?: string;
  /** False: no certificate is renewed. @defaultValue as the scenario says, else true */
  readonly rotation?: boolean;
  /** Values of secrets that low-code clients name; a seeded stand-in where none is given. */
  readonly secrets?: (name: string) => string | undefined;
  /** Told about once a virtual quarter of an hour. */
  readonly onProgress?: (progress: { readonly at: Instant; readonly start: Instant; readonly end: Instant }) => void;
  /** Ends the run at the next quarter of an hour. */
  readonly signal?: AbortSignal;
}

/** One attempt of the access table, with what became of it. */
export interface AccessAttempt {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  readonly expected?: string;
  readonly outcome: Outcome;
  readonly ok: boolean;
}

export interface ExpectationResult {
  readonly text: string;
  readonly ok: boolean;
  readonly seen: string;
}

export interface Run {
  readonly scenario: { readonly name: string; readonly description: string };
  readonly seed: string;
  readonly start: Instant;
  /** Where the clock stood at the end; before the planned end if the run was interrupted. */
  readonly end: Instant;
  readonly mesh: Mesh;
  /** Services with a declared profile, in the scenario's order. */
  readonly services: readonly string[];
  readonly access: readonly AccessAttempt[];
  readonly lowcode: readonly LowCodeRun[];
  /** Workload whose identity low-code clients run under, and the gateway they call. */
  readonly lowcodeRoute?: { readonly as: string; readonly gateway: string };
  readonly expectations: readonly ExpectationResult[];
  /** Best practices, judged by the configuration at the end and by all that happened. */
  readonly audit: readonly AuditFinding[];
  /** No request lost that was not expected to be, no attempt different than expected. The audit does not enter. */
  readonly ok: boolean;
}

const PROGRESS_STEP_MS: number = 15 * MINUTE_MS;
const DEFAULT_RUN = '24h';

/**
 * Runs a scenario to its end. The mesh of the result is still open, so that it can be looked at: close it.
 * @throws MeshError `ERR_SCENARIO_…`, `ERR_CONFIG_…`
 */
export async function runScenario(source: string | LoadedScenario | undefined, options: RunOptions = {}): Promise<Run> {
  const loaded = typeof source === 'object' ? source : await loadScenario(source);
  const runner = new ScenarioRunner(loaded, options);
  return runner.run();
}

class ScenarioRunner {
  readonly #scenario: ScenarioFile;
  readonly #folder: string;
  readonly #options: RunOptions;
  readonly #seed: string;

  constructor({ scenario, folder }: LoadedScenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#folder = folder;
    this.#options = options;
    this.#seed = options.seed ?? String(scenario.seed ?? scenario.metadata.name);
  }

  async run(): Promise<Run> {
    const { metadata, lowcode } = this.#scenario;
    const mesh = await this.#start();
    try {
      const start = mesh.clock.now();
      const end = addMs(start, parseDuration(this.#options.for ?? this.#scenario.clock?.run ?? DEFAULT_RUN));
      const rotates = this.#options.rotation ?? this.#scenario.rotation?.enabled ?? true;
      if (!rotates) await performIdentityAction(mesh, { kind: 'rotation', workloads: 'all', on: false });
      const access = await this.#tryAccess(mesh);
      const lowcodeRuns = await runLowCode(mesh, lowcode, {
        seed: this.#seed,
        secrets: this.#options.secrets,
        path: (file) => this.#path(file),
      });
      await this.#traffic(mesh).start();
      this.#planEvents(mesh, start);
      const expectations = this.#planExpectations(mesh, start, end);
      await this.#advance(mesh, start, end);
      const settled = await Promise.all(expectations.map((check) => check()));
      return {
        scenario: { name: metadata.name, description: metadata.description ?? '' },
        seed: this.#seed,
        start,
        end: mesh.clock.now(),
        mesh,
        services: Object.keys(this.#scenario.services ?? {}),
        access,
        lowcode: lowcodeRuns,
        ...(lowcode === undefined ? {} : { lowcodeRoute: { as: lowcode.as, gateway: lowcode.gateway } }),
        expectations: settled,
        audit: auditMesh(mesh.compiled, {
          events: mesh.events,
          ...(lowcode === undefined ? {} : { lowcode: [lowcode.as], gateways: [lowcode.gateway] }),
        }),
        ok: settled.every(({ ok }) => ok) && access.every(({ ok }) => ok),
      };
    } catch (error) {
      await mesh.close();
      throw error;
    }
  }

  #path(relative: string): string {
    return isAbsolute(relative) ? relative : join(this.#folder, relative);
  }

  async #start(): Promise<Mesh> {
    const { options, applications } = await scenarioMesh(this.#scenario, this.#folder);
    return Mesh.start({ ...options, applications, seed: this.#seed });
  }

  async #tryAccess(mesh: Mesh): Promise<readonly AccessAttempt[]> {
    const attempts: AccessAttempt[] = [];
    for (const attempt of this.#scenario.access ?? []) attempts.push(await tryAccess(mesh, attempt));
    return attempts;
  }

  #traffic(mesh: Mesh): TrafficRunner {
    const { traffic = [], services = {} } = this.#scenario;
    const flows = trafficFlows(mesh, traffic, { seed: this.#seed, services });
    return new TrafficRunner(flows, { clock: mesh.clock, events: mesh.events });
  }

  #planEvents(mesh: Mesh, start: Instant): void {
    for (const event of this.#scenario.events ?? []) {
      mesh.clock.schedule(addMs(start, parseDuration(event.at)), () => this.#perform(mesh, event));
    }
  }

  async #perform(mesh: Mesh, event: EventFile): Promise<void> {
    if (event.note !== undefined) mesh.events.append({ kind: 'note', text: event.note });
    for (const file of event.apply === undefined ? [] : [event.apply].flat()) {
      const text = await readBeside(this.#path(file), file);
      // For the file's name in messages; the mesh itself reads text without an origin.
      parseManifests(text, { origin: file });
      await mesh.apply(text);
    }
    for (const { kind, namespace = 'default', name } of event.remove ?? [])
      await mesh.remove({ kind, namespace, name });
    for (const action of identityActionsOf(event)) await performIdentityAction(mesh, action);
  }

  #planExpectations(mesh: Mesh, start: Instant, end: Instant): (() => Promise<ExpectationResult>)[] {
    return (this.#scenario.expect ?? []).map((expectation) => {
      const wanted = expectation.at === undefined ? end : addMs(start, parseDuration(expectation.at));
      const at = wanted > end ? end : wanted;
      return async () => check(expectation, mesh, start, at);
    });
  }

  async #advance(mesh: Mesh, start: Instant, end: Instant): Promise<void> {
    const { onProgress, signal } = this.#options;
    while (mesh.clock.now() < end && signal?.aborted !== true) {
      await mesh.clock.advance(Math.min(PROGRESS_STEP_MS, end - mesh.clock.now()));
      onProgress?.({ at: mesh.clock.now(), start, end });
    }
  }
}

async function tryAccess(mesh: Mesh, attempt: AccessFile): Promise<AccessAttempt> {
  const from: Caller = typeof attempt.from === 'string' ? attempt.from : definedOnly(attempt.from);
  const request = requestOf(attempt.request);
  const outcome = await mesh.request({ from, to: attempt.to, ...request });
  return {
    from: callerName(from),
    to: attempt.to,
    method: request.method ?? 'GET',
    path: request.path ?? '/',
    ...(attempt.expect === undefined ? {} : { expected: attempt.expect }),
    outcome,
    ok: attempt.expect === undefined || attempt.expect === outcome.result,
  };
}

function callerName(from: Caller): string {
  if (typeof from === 'string') return from;
  const { workload, certificate } = from;
  if (certificate === undefined) return workload ?? 'outside';
  const what = certificate === 'none' ? 'no certificate' : `${certificate} certificate`;
  return workload === undefined ? `outside, ${what}` : `${workload}, ${what}`;
}

function check(expectation: ExpectationFile, mesh: Mesh, start: Instant, at: Instant): ExpectationResult {
  const { flow, lost, rotated } = expectation;
  let [lostSeen, rotations] = [0, 0];
  for (const event of mesh.events) {
    if (event.at > at) break;
    if (event.kind === 'traffic.recorded' && (flow === undefined || event.flow === flow)) lostSeen += event.lost;
    if (event.kind === 'certificate.issued' && event.reason === 'rotation') rotations++;
  }
  const when = `at ${formatDuration(instantOf(at) - start)}`;
  if (rotated !== undefined) {
    const { min = 0, max = Number.POSITIVE_INFINITY } = rotated;
    const range = max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`;
    return {
      text: `${when}: ${range} certificates rotated`,
      ok: rotations >= min && rotations <= max,
      seen: String(rotations),
    };
  }
  const limit = lost ?? 0;
  const whose = flow === undefined ? 'in all flows' : `in ${flow}`;
  return {
    text: `${when}: ${limit} requests lost ${whose}`,
    ok: lostSeen === limit,
    seen: lostSeen.toLocaleString('en-US'),
  };
}
