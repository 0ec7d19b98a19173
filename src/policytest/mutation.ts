/**
 * Mutation score: how many small wrong versions of the policies the tests of a suite notice.
 *
 * Every mutant is tried at the model level, the static tests first and the timeline where they notice nothing. A mutant
 * that no test notices is held against the original by requests on the edges of both: one that they answer differently
 * is the witness a missing test would use. Where there is none the exact diff decides whether the two differ at all.
 * @module
 */
import { diff, mutate, type Mutant } from '../analysis/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { CompiledMesh } from '../policy/index.ts';
import type { MeshRequest, Outcome } from '../sim/index.ts';
import { boundaryRequests } from './boundary-requests.ts';
import { reachOf } from './mutant-reach.ts';
import { type MutantResult, mutationReport, type MutationReport } from './mutation-report.ts';
import { runSuite } from './run-suite.ts';
import { isInShard, type Shard } from './selection.ts';
import type { Suite } from './suite.ts';
import type { TestCase } from './test-case.ts';
import { Judge } from './verdict.ts';

export interface MutationOptions {
  /** The tests that are to notice: all where absent. */
  readonly select?: (id: string) => boolean;
  /** Judges this part of the mutants, by all tests. */
  readonly shard?: Shard;
  readonly onMutant?: (result: MutantResult) => void;
}

/** Mutants are judged by tests that pass: where one fails in the model, none is, and the report says so. */
export async function mutationScore(whole: Suite, options: MutationOptions = {}): Promise<MutationReport> {
  const { select, shard } = options;
  const suite = select === undefined ? whole : { ...whole, cases: whole.cases.filter(({ id }) => select(id)) };
  const failing = (await runSuite(suite, { level: 'model', bail: true })).find(({ status }) => status === 'failed');
  if (failing !== undefined) return mutationReport([], [{ suite: suite.file, failing: failing.id }]);
  await using trial = await Trial.start(suite);
  const results: MutantResult[] = [];
  let order = 0;
  for (const mutant of mutate(suite.config)) {
    const place = order++;
    if (shard !== undefined && !isInShard(`${suite.file} ${mutant.id}`, shard)) continue;
    const result = await trial.judge(mutant, place);
    results.push(result);
    options.onMutant?.(result);
  }
  return mutationReport(results);
}

/** Something that can be asked, and whom: `namespace/workload`, where it is one. */
interface Aimed<T> {
  readonly value: T;
  readonly target: string | undefined;
}

interface Edge {
  readonly request: MeshRequest;
  /** What the policies as they are say; worked out when a mutant first needs it. */
  answer?: Outcome;
}

class Trial implements AsyncDisposable {
  readonly #suite: Suite;
  readonly #mesh: Mesh;
  readonly #original: CompiledMesh;
  readonly #cases: readonly Aimed<TestCase>[];
  readonly #edges: readonly Aimed<Edge>[];

  private constructor(suite: Suite, mesh: Mesh) {
    this.#suite = suite;
    this.#mesh = mesh;
    this.#original = mesh.compiled;
    const judge = new Judge(mesh.compiled);
    const aimed = <T>(value: T, request: MeshRequest): Aimed<T> => {
      const workload = judge.target(request)?.workload;
      return { value, target: workload && `${workload.namespace}/${workload.name}` };
    };
    this.#cases = suite.cases
      .filter(({ step, skip }) => step === undefined && skip === undefined)
      .map((test) => aimed(test, test.request));
    this.#edges = boundaryRequests(suite.config).map((request) => aimed<Edge>({ request }, request));
  }

  static async start(suite: Suite): Promise<Trial> {
    const { config, seed, start } = suite;
    const mesh = await Mesh.start({ config, seed, start });
    return new Trial(suite, mesh);
  }

  async judge(mutant: Mutant, order: number): Promise<MutantResult> {
    const { id, operator, file, line, config } = mutant;
    const base = {
      id,
      suite: this.#suite.file,
      order,
      operator,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
    };
    await this.#mesh.simulation.reconfigure(config, { applied: [], removed: [] });
    const reach = reachOf(mutant.policy, this.#original, this.#mesh.compiled);
    const killedBy = (await this.#noticed(reach)) ?? (await this.#noticedInTime(config));
    if (killedBy !== undefined) return { ...base, fate: 'killed', killedBy };
    const witness = await this.#witness(reach);
    if (witness !== undefined) return { ...base, fate: 'survived', witness };
    const [finding] = diff(this.#suite.config, config).findings;
    const difference =
      mutant.policy.kind === 'RequestAuthentication'
        ? 'other tokens are accepted, which only a request with a token shows'
        : finding?.summary;
    return difference === undefined ? { ...base, fate: 'equivalent' } : { ...base, fate: 'survived', difference };
  }

  async #noticed(reach: ReadonlySet<string> | undefined): Promise<string | undefined> {
    const judge = new Judge(this.#mesh.compiled);
    for (const { id, expect, request } of within(this.#cases, reach)) {
      const outcome = await this.#mesh.simulation.predictVerified(request);
      if (judge.differences(expect, request, outcome).length > 0) return id;
    }
    return undefined;
  }

  async #noticedInTime(config: MeshConfig): Promise<string | undefined> {
    const select = ({ step }: TestCase): boolean => step !== undefined;
    if (!this.#suite.cases.some(select)) return undefined;
    const results = await runSuite(this.#suite, { level: 'model', config, bail: true, select });
    return results.find(({ status }) => status === 'failed')?.id;
  }

  async #witness(reach: ReadonlySet<string> | undefined): Promise<MutantResult['witness'] | undefined> {
    await this.#answerEdges(reach);
    for (const { request, answer: original } of within(this.#edges, reach)) {
      if (original === undefined) continue;
      const mutant = this.#mesh.predict(request);
      const detail = difference(original, mutant);
      if (detail === undefined) continue;
      return {
        request,
        original: original.result,
        mutant: mutant.result,
        ...(original.result === mutant.result ? { detail } : {}),
      };
    }
    return undefined;
  }

  /** Asks the policies as they are about edges that nobody has asked about yet. */
  async #answerEdges(reach: ReadonlySet<string> | undefined): Promise<void> {
    const open = [...within(this.#edges, reach)].filter(({ answer }) => answer === undefined);
    if (open.length === 0) return;
    const { simulation, compiled } = this.#mesh;
    await simulation.reconfigure(this.#suite.config, { applied: [], removed: [] });
    for (const edge of open) edge.answer = this.#mesh.predict(edge.request);
    await simulation.reconfigure(compiled.config, { applied: [], removed: [] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mesh.close();
  }
}

function* within<T>(all: readonly Aimed<T>[], reach: ReadonlySet<string> | undefined): Iterable<T> {
  for (const { value, target } of all)
    if (reach === undefined || (target !== undefined && reach.has(target))) yield value;
}

function difference(original: Outcome, mutant: Outcome): string | undefined {
  if (original.result !== mutant.result) return `${original.result} becomes ${mutant.result}`;
  if (original.status !== mutant.status) return `status ${original.status} becomes ${mutant.status}`;
  const [before, after] = [original.connection.security, mutant.connection.security];
  return before === after ? undefined : `${before} becomes ${after}`;
}
