/**
 * Running the single tests of a suite: static ones on one mesh, those of the timeline step by step on another.
 *
 * `wire` sends real bytes over real TLS, `model` asks the compiled configuration, `both` does both and fails where they
 * disagree.
 * @module
 */
import { addMs, MeshError, messageOf } from '../core/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { CompiledMesh } from '../policy/index.ts';
import type { MeshRequest, Outcome } from '../sim/index.ts';
import type { Target } from '../sim/targets.ts';
import type { Suite, SuiteStep } from './suite.ts';
import type { TestCase } from './test-case.ts';
import type { TestResult } from './test-result.ts';
import type { TestLevel } from './test-schema.ts';
import { describeExpectation, describeOutcome, Judge, policyName } from './verdict.ts';

/** What a test was decided on: for coverage. */
export interface Evidence {
  readonly compiled: CompiledMesh;
  readonly request: MeshRequest;
  readonly target: Target | undefined;
  readonly outcome: Outcome;
}

export interface RunSuiteOptions {
  /** Runs only what it says yes to. */
  readonly select?: (test: TestCase) => boolean;
  /** Runs every test at this level, whatever the file says. */
  readonly level?: TestLevel;
  /** Instead of the suite's own: a mutant. */
  readonly config?: MeshConfig;
  /** Milliseconds of a monotonic clock. */
  readonly stopwatch?: () => number;
  readonly onEvidence?: (evidence: Evidence) => void;
  readonly onResult?: (result: TestResult) => void;
  /** Stops at the first test that fails. */
  readonly bail?: boolean;
  readonly signal?: AbortSignal;
}

/** Requests in flight at a time. */
const CONCURRENCY = 16;

/**
 * Runs a suite; results come in the order of the file.
 * @throws MeshError where a test cannot be asked at all: a port that does not exist
 */
export async function runSuite(suite: Suite, options: RunSuiteOptions = {}): Promise<readonly TestResult[]> {
  return new SuiteRun(suite, options).run();
}

class SuiteRun {
  readonly #suite: Suite;
  readonly #options: RunSuiteOptions;
  readonly #now: () => number;
  #failed = false;

  constructor(suite: Suite, options: RunSuiteOptions) {
    this.#suite = suite;
    this.#options = options;
    this.#now = options.stopwatch ?? (() => 0);
  }

  async run(): Promise<readonly TestResult[]> {
    const { select } = this.#options;
    const cases = select === undefined ? this.#suite.cases : this.#suite.cases.filter(select);
    const fixed = cases.filter(({ step }) => step === undefined);
    const timed = cases.filter(({ step }) => step !== undefined);
    const results: TestResult[] = [];
    if (fixed.length > 0) {
      await using mesh = await this.#start();
      results.push(...(await this.#ask(mesh, fixed)));
    }
    if (timed.length > 0 && !this.#stopped()) results.push(...(await this.#timeline(timed)));
    return results;
  }

  #stopped(): boolean {
    return (this.#options.bail === true && this.#failed) || this.#options.signal?.aborted === true;
  }

  #start(): Promise<Mesh> {
    const { config, seed, start, leafTtl } = this.#suite;
    return Mesh.start({
      config: this.#options.config ?? config,
      seed,
      start,
      ...(leafTtl === undefined ? {} : { ca: { leafTtl } }),
    });
  }

  async #timeline(cases: readonly TestCase[]): Promise<readonly TestResult[]> {
    await using mesh = await this.#start();
    const results: TestResult[] = [];
    for (const [index, step] of this.#suite.steps.entries()) {
      await mesh.clock.advance(addMs(this.#suite.start, step.atMs) - mesh.clock.now());
      await change(mesh, step);
      const due = cases.filter((test) => test.step === index);
      results.push(...(await this.#ask(mesh, due)));
      if (this.#stopped()) break;
    }
    return results;
  }

  /** Tests that ask only the model are answered in turn; the others share the wire. */
  async #ask(mesh: Mesh, cases: readonly TestCase[]): Promise<readonly TestResult[]> {
    const judge = new Judge(mesh.compiled);
    const results: TestResult[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        const index = next++;
        const test = cases[index];
        if (test === undefined || this.#stopped()) return;
        const level = this.#options.level ?? test.level;
        const started = this.#now();
        const checked = test.skip === undefined ? await this.#check(mesh, judge, test, level) : SKIPPED;
        const result = this.#result(test, level, { ...checked, durationMs: this.#now() - started });
        this.#failed ||= result.status === 'failed';
        results[index] = result;
        this.#options.onResult?.(result);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, cases.length) }, work));
    return results.filter((result) => result !== undefined);
  }

  async #check(mesh: Mesh, judge: Judge, test: TestCase, level: TestLevel): Promise<Checked> {
    const { request, expect } = test;
    const [wire, model] = await asked(mesh, test, level);
    const outcome = wire ?? model;
    if (outcome === undefined) return SKIPPED;
    const { onEvidence } = this.#options;
    if (onEvidence !== undefined)
      onEvidence({ compiled: judge.compiled, request, target: judge.target(request), outcome });
    const differences = judge.differences(expect, request, outcome);
    const disagreement = wire === undefined || model === undefined ? [] : disagreements(wire, model);
    const all = [...differences, ...disagreement];
    return {
      status: all.length === 0 ? 'passed' : 'failed',
      actual: describeOutcome(outcome),
      differences: all,
      explanation: all.length === 0 ? [] : judge.explain(request, outcome),
    };
  }

  #result(test: TestCase, level: TestLevel, checked: Checked & { readonly durationMs: number }): TestResult {
    const { id, line, column, name, combination, expect, skip } = test;
    const { file, name: suite } = this.#suite;
    return {
      id,
      file,
      line,
      column,
      suite,
      name,
      combination,
      order: test.order,
      level,
      expected: describeExpectation(expect),
      ...checked,
      durationMs: Math.round(checked.durationMs * 1000) / 1000,
      ...(skip === undefined ? {} : { skipReason: skip }),
      replay: `npx meshproof test ${shellWord(file)} --id ${shellWord(id)}`,
    };
  }
}

type Checked = Pick<TestResult, 'status' | 'actual' | 'differences' | 'explanation'>;

const SKIPPED: Checked = { status: 'skipped', actual: '', differences: [], explanation: [] };

async function asked(
  mesh: Mesh,
  { request, line, name, step }: TestCase,
  level: TestLevel,
): Promise<readonly [wire: Outcome | undefined, model: Outcome | undefined]> {
  try {
    const model = level === 'wire' ? undefined : await mesh.predictVerified(request);
    // A connection that was opened earlier would outlive a certificate that has run out since.
    const fresh = step !== undefined;
    return [level === 'model' ? undefined : await mesh.simulation.request(request, { fresh }), model];
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MeshError(error.code, `test \`${name}\` (line ${line}): ${messageOf(error)}`, { cause: error });
  }
}

/** Where bytes and model do not agree: a fault of the mesh, not of the policies. */
export function disagreements(wire: Outcome, model: Outcome): readonly string[] {
  const view = ({ result, status, decidedBy, connection }: Outcome): Readonly<Record<string, string>> => ({
    result,
    status: String(status),
    policy: decidedBy.map(policyName).join(', ') || 'none',
    ...(result === 'allow' || result === 'deny' ? { security: connection.security } : {}),
  });
  const [left, right] = [view(wire), view(model)];
  return Object.keys(left).flatMap((field) =>
    left[field] === right[field]
      ? []
      : [`wire and model disagree on ${field}: ${left[field]} on the wire, ${right[field] ?? 'nothing'} in the model`],
  );
}

async function change(mesh: Mesh, { apply, remove, ca, rotation }: SuiteStep): Promise<void> {
  if (apply.length > 0) await mesh.apply(apply);
  for (const ref of remove) await mesh.remove(ref);
  if (ca !== undefined) mesh.simulation.ca.available = ca === 'up';
  if (rotation === undefined) return;
  for (const { agent } of mesh.simulation.agents()) {
    if (rotation === 'off') agent.suspend();
    else agent.resume();
  }
}

function shellWord(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
