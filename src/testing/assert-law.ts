/**
 * Trying a law on many cases with fast-check, and what is said when it breaks: the smallest world as YAML, seed and path,
 * and a file that replays it.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { MeshError } from '../core/index.ts';
import { parseShard } from '../policytest/index.ts';
import { counterexampleText } from './counterexample.ts';
import { lawCase } from './law-cases.ts';
import { type Law, LAWS, type LawCase, type LawName, type LawSubject, MESHPROOF } from './laws.ts';

export interface AssertOptions {
  /** @defaultValue 1000, and 10 where a mesh is started */
  readonly numRuns?: number;
  /** @defaultValue `FC_SEED`, `MESH_SEED`, or a fixed one */
  readonly seed?: number;
  /** Goes on from where a failure was found; with its seed. @defaultValue `FC_PATH` */
  readonly path?: string;
  /** Where counterexamples are written; nowhere where it is `false`. @defaultValue `.meshproof/counterexamples` */
  readonly counterexamples?: string | false;
}

export interface AssertLawOptions extends AssertOptions {
  /** What is held to the law. @defaultValue the product itself */
  readonly subject?: Partial<LawSubject>;
}

/** A law that broke. `sample` is the smallest case that was found. */
export class LawViolation extends Error {
  override readonly name: string = 'LawViolation';
  readonly law: LawName;
  readonly sample: LawCase;
  readonly violation: string;
  readonly seed: number;
  readonly path: string;

  constructor(message: string, facts: Pick<LawViolation, 'law' | 'sample' | 'violation' | 'seed' | 'path'>) {
    super(message);
    this.law = facts.law;
    this.sample = facts.sample;
    this.violation = facts.violation;
    this.seed = facts.seed;
    this.path = facts.path;
  }
}

/** The property of fast-check behind a law, for `fc.assert`, `fc.check` or `it.prop`. */
export function lawProperty(name: LawName, subject: Partial<LawSubject> = {}): fc.IAsyncProperty<[LawCase]> {
  const held: LawSubject = { ...MESHPROOF, ...subject };
  return fc.asyncProperty(lawCase(name), async (sample) => {
    const violation = await LAWS[name].check(sample, held);
    if (violation !== undefined) throw new Error(violation);
  });
}

const FIXED_SEED = 20_260_101;

/**
 * Seed, path and number of runs from `FC_SEED` (or else `MESH_SEED`), `FC_PATH` and `FC_NUM_RUNS`; `MESHPROOF_SHARD=i/n`
 * splits seeds and runs.
 * @throws MeshError `ERR_USAGE` where one of them is not what it has to be
 */
export function propertyParameters(
  numRuns: number,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): { readonly seed: number; readonly numRuns: number; readonly path?: string } {
  const { FC_PATH, MESHPROOF_SHARD = '1/1' } = environment;
  const { index, count } = parseShard(MESHPROOF_SHARD);
  const runs = Math.max(1, Math.ceil(integerOf(environment, ['FC_NUM_RUNS'], numRuns) / count));
  const first = integerOf(environment, ['FC_SEED', 'MESH_SEED'], FIXED_SEED);
  const seed = first + (FC_PATH === undefined ? index - 1 : 0);
  return { seed, numRuns: runs, ...(FC_PATH === undefined ? {} : { path: FC_PATH }) };
}

function integerOf(
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  otherwise: number,
): number {
  const name = names.find((each) => (environment[each] ?? '') !== '');
  const text = name === undefined ? undefined : environment[name];
  if (text === undefined) return otherwise;
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new MeshError('ERR_USAGE', `${name} is \`${text}\`: expected an integer`);
  return Number(text);
}

/** @throws LawViolation where the law breaks */
export async function assertLaw(name: LawName, options: AssertLawOptions = {}): Promise<void> {
  const law = LAWS[name];
  const defaults = propertyParameters(options.numRuns ?? (law.starts ? 10 : 1000));
  const path = options.path ?? defaults.path;
  const details = await fc.check(lawProperty(name, options.subject), {
    seed: options.seed ?? defaults.seed,
    numRuns: options.numRuns ?? defaults.numRuns,
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const [sample] = details.counterexample ?? [];
  if (sample === undefined) throw new Error(fc.defaultReportMessage(details));
  const violation =
    details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance);
  throw violationOf(law, sample, {
    violation,
    details,
    ...(options.counterexamples === undefined ? {} : { folder: options.counterexamples }),
  });
}

interface Finding {
  readonly violation: string;
  readonly details: Pick<fc.RunDetails<unknown>, 'seed' | 'counterexamplePath' | 'numRuns' | 'numShrinks'>;
  /** @defaultValue `.meshproof/counterexamples` */
  readonly folder?: string | false;
}

/** Writes the counterexample down, and says everything about it. */
export function violationOf(law: Law, sample: LawCase, finding: Finding): LawViolation {
  const { violation, details, folder = join('.meshproof', 'counterexamples') } = finding;
  const { seed, numRuns: runs, numShrinks: shrinks } = details;
  const path = details.counterexamplePath ?? '';
  const lines = [
    `the law ${law.name} does not hold: ${law.claim}`,
    violation,
    fc.stringify(sample),
    `found after ${runs} runs, shrunk ${shrinks} times; again with { seed: ${seed}, path: '${path}', endOnFailure: true }`,
    `or FC_SEED=${seed} FC_PATH=${path}`,
  ];
  if (folder !== false) {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${law.name}-${seed}.yaml`);
    writeFileSync(file, counterexampleText({ law, sample, violation, found: { seed, path } }));
    lines.push(`replay: npx meshproof replay ${file}`);
  }
  return new LawViolation(lines.join('\n'), { law: law.name, sample, violation, seed, path });
}
