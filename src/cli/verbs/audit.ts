/**
 * `meshproof audit [scenario]`, `meshproof audit -f DIR`: best practices, each with its evidence.
 * @module
 */
import type { Command } from 'commander';
import { MeshError } from '../../core/index.ts';
import type { LowCodeFinding } from '../../lowcode/index.ts';
import { auditMesh, loadManifests, loadScenario } from '../../mesh/index.ts';
import { compileMesh } from '../../policy/index.ts';
import { type AuditFinding, renderAudit } from '../../telemetry/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { lowCodeFindingLines } from '../render/lowcode-findings.ts';
import { paintFor } from '../render/paint.ts';
import { runFromCli, type ScenarioFlags, scenarioOptions } from '../scenario-run.ts';

interface AuditFlags extends ScenarioFlags {
  readonly filename?: readonly string[];
  readonly lowcode?: readonly string[];
  readonly gateway?: readonly string[];
  readonly output: string;
}

/** What `-o json` prints. */
interface AuditReport {
  readonly bestPractices: readonly AuditFinding[];
  /** What low-code exports show before they run. */
  readonly lowcode: readonly LowCodeFinding[];
  readonly ok: boolean;
}

export function auditVerb(program: Command): void {
  scenarioOptions(program.command('audit'))
    .description('check best practices: STRICT everywhere, a policy for every service, short lifetimes, rotation, …')
    .option('-f, --filename <path...>', 'manifests to audit without a run: files, folders, or - for standard input')
    .option('--lowcode <workload...>', 'with -f: workloads that low-code platforms run as, e.g. default/retool')
    .option('--gateway <workload...>', 'with -f: workloads through which low-code callers may come in')
    .option('-o, --output <format>', 'table, wide (all evidence), json or yaml', 'table')
    .addHelpText(
      'after',
      `
A scenario is run first, so that lifetimes, rotation and traffic are judged by what happened. Manifests alone answer
the checks about configuration; the others are left out.

Examples:
  $ meshproof audit                       the shop of the brief
  $ meshproof audit ./my-scenario -o json
  $ meshproof audit -f k8s --lowcode default/retool --gateway default/api-gateway

Exit codes: 0 no check failed, 1 a check failed (warnings do not count), 2 bad usage or input, 130 interrupted.`,
    )
    .action(audit);
}

async function audit(scenario: string, flags: AuditFlags, command: Command): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const report = flags.filename === undefined ? await auditRun(scenario, flags) : await auditFiles(flags, command);
  writeOutput(format, report, (wide) => render(report, wide));
  if (!report.ok) exitWith(EXIT.findings);
}

async function auditRun(name: string, flags: AuditFlags): Promise<AuditReport> {
  if (flags.lowcode !== undefined || flags.gateway !== undefined)
    throw new MeshError('ERR_USAGE', '`--lowcode` and `--gateway` go with -f; a scenario says so under `lowcode`');
  const { run, interrupted } = await runFromCli(await loadScenario(name), flags);
  await using _mesh = run.mesh;
  if (interrupted) exitWith(EXIT.interrupted);
  return reportOf(
    run.audit,
    run.lowcode.flatMap(({ audit: findings }) => findings),
  );
}

async function auditFiles(flags: AuditFlags, command: Command): Promise<AuditReport> {
  const misplaced = ['seed', 'for', 'rotation'].find((name) => command.getOptionValueSource(name) === 'cli');
  if (command.args.length > 0 || misplaced !== undefined)
    throw new MeshError('ERR_USAGE', `either a scenario, or -f${misplaced === undefined ? '' : ` without a run`}`);
  const { filename = [], lowcode, gateway } = flags;
  const compiled = compileMesh(await loadManifests(filename));
  const findings = auditMesh(compiled, {
    ...(lowcode === undefined ? {} : { lowcode }),
    ...(gateway === undefined ? {} : { gateways: gateway }),
  });
  return reportOf(findings, []);
}

function reportOf(bestPractices: readonly AuditFinding[], lowcode: readonly LowCodeFinding[]): AuditReport {
  const failed =
    bestPractices.some(({ result }) => result === 'fail') || lowcode.some(({ severity }) => severity === 'error');
  return { bestPractices, lowcode, ok: !failed };
}

function render({ bestPractices, lowcode }: AuditReport, wide: boolean): string {
  const paint = paintFor(process.stdout);
  const text = renderAudit(bestPractices, {
    ...(wide ? { evidenceMax: Number.POSITIVE_INFINITY } : {}),
    ...(paint === undefined ? {} : { paint }),
  });
  const lines = lowCodeFindingLines(lowcode);
  const exports = lines.length === 0 ? [] : ['', ' Low-code exports:', ...lines.map((line) => `  ${line}`)];
  return `${[text, ...exports].join('\n')}\n`;
}
