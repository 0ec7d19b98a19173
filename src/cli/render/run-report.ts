/**
 * A finished run as data (`-o json`) and as text.
 * @module
 */
import { formatDuration, formatInstant, type MeshEvent } from '../../core/index.ts';
import type { AccessAttempt, Run } from '../../mesh/index.ts';
import type { LowCodeFinding } from '../../lowcode/index.ts';
import {
  alignColumns,
  type AuditFinding,
  formatPolicyRef,
  MeshObservability,
  type Paint,
  renderAudit,
  renderRotationSummary,
  RotationFold,
  type RotationSummary,
  type ServiceMetrics,
  type TrafficFlow,
} from '../../telemetry/index.ts';
import { lowCodeFindingLines } from './lowcode-findings.ts';

export interface RunReport {
  readonly scenario: { readonly name: string; readonly description: string };
  readonly seed: string;
  readonly start: string;
  readonly end: string;
  /** Totals since the start. */
  readonly services: readonly ServiceMetrics[];
  /** Rates over the last minute. */
  readonly flows: readonly TrafficFlow[];
  readonly access: readonly AccessRow[];
  readonly lowcode: readonly LowCodeRow[];
  /** What the exports of the low-code clients show before they run. */
  readonly lowcodeFindings: readonly LowCodeFinding[];
  readonly bestPractices: readonly AuditFinding[];
  readonly rotation: RotationSummary;
  readonly expectations: Run['expectations'];
  readonly ok: boolean;
}

interface AccessRow {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  readonly expected?: string;
  readonly result: string;
  readonly status: number;
  readonly applicationBytes: number;
  readonly by: string;
  /** Of a refused connection, in full. */
  readonly detail?: string;
  readonly ok: boolean;
}

interface LowCodeRow {
  readonly tool: string;
  readonly app: string;
  readonly call: string;
  readonly request: string;
  readonly status?: number;
  readonly outcome: string;
  readonly reason: string;
}

export function runReport(run: Run): RunReport {
  const observability = dashboardOf(run);
  return {
    scenario: run.scenario,
    seed: run.seed,
    start: formatInstant(run.start),
    end: formatInstant(run.end),
    services: run.mesh.serviceMetrics(),
    flows: observability.trafficFlows,
    access: run.access.map(accessRow),
    lowcode: run.lowcode.flatMap(({ tool, app, calls }) =>
      calls.map((call) => ({
        tool,
        app,
        call: call.id,
        request: call.request ?? '-',
        ...(call.status === undefined ? {} : { status: call.status }),
        outcome: call.outcome,
        reason: call.skipped ?? call.error ?? (typeof call.evidence === 'string' ? call.evidence : ''),
      })),
    ),
    lowcodeFindings: run.lowcode.flatMap(({ audit }) => audit),
    bestPractices: run.audit,
    rotation: new RotationFold().addAll(trafficOf(run.mesh.events)).snapshot(),
    expectations: run.expectations,
    ok: run.ok,
  };
}

/** Rates, errors and percentiles over the whole run; services in the scenario's order. */
function dashboardOf(run: Run, paint?: Paint): MeshObservability {
  const colour = paint === undefined ? {} : { paint };
  const seen = MeshObservability.fromEvents(trafficOf(run.mesh.events), { at: run.end, windowMs: run.end - run.start });
  const rank = (name: string): number =>
    run.services.includes(name) ? run.services.indexOf(name) : run.services.length;
  const ordered = new MeshObservability({ at: run.end, ...colour });
  for (const service of [...seen.services].sort((a, b) => rank(a.name) - rank(b.name))) ordered.addService(service);
  for (const flow of seen.trafficFlows) ordered.addTraffic(flow);
  return ordered;
}

/** The dashboard and the summary are about traffic, not about the single attempts of the access table. */
function* trafficOf(events: Iterable<MeshEvent>): Iterable<MeshEvent> {
  for (const event of events) if (event.kind !== 'request.completed' || event.flow !== undefined) yield event;
}

function accessRow({ from, to, method, path, expected, outcome, ok }: AccessAttempt): AccessRow {
  const [policy] = outcome.decidedBy;
  return {
    from,
    to,
    method,
    path,
    ...(expected === undefined ? {} : { expected }),
    result: outcome.result,
    status: outcome.status,
    applicationBytes: outcome.refusal?.applicationBytes ?? 0,
    by: policy === undefined ? (outcome.refusal?.reason ?? outcome.reason) : formatPolicyRef(policy),
    ...(outcome.refusal === undefined ? {} : { detail: outcome.refusal.detail }),
    ok,
  };
}

/** The report for people: the same figures, in the order in which one asks for them. */
export function renderRun(run: Run, report: RunReport, paint?: Paint): string {
  const observability = dashboardOf(run, paint);
  return [
    observability.dashboard(),
    observability.securityAudit(),
    ...accessLines(report.access),
    ...lowCodeLines(report),
    renderRotationSummary(report.rotation),
    renderAudit(report.bestPractices, paint === undefined ? {} : { paint }),
    ...expectationLines(run),
    '',
  ].join('\n');
}

function accessLines(rows: readonly AccessRow[]): readonly string[] {
  if (rows.length === 0) return [];
  const header = ['FROM', 'TO', 'METHOD', 'PATH', 'RESULT', 'STATUS', 'BY'];
  const body = rows.map((row) => [
    row.from,
    row.to,
    row.method,
    row.path,
    row.ok ? row.result : `${row.result} (expected ${row.expected})`,
    row.status === 0 ? '-' : String(row.status),
    row.result === 'handshake-failure' ? `${row.by}; the application saw ${row.applicationBytes} bytes` : row.by,
  ]);
  return ['', ' Authorization (every line was tried over real sockets):', ...indent(alignColumns([header, ...body]))];
}

function lowCodeLines({ lowcode: rows, lowcodeFindings }: RunReport): readonly string[] {
  if (rows.length === 0) return [];
  const findings = indent(lowCodeFindingLines(lowcodeFindings));
  const header = ['TOOL', 'CALL', 'REQUEST', 'STATUS', 'OUTCOME', 'WHY'];
  const body = rows.map((row) => [row.tool, row.call, row.request, String(row.status ?? '-'), row.outcome, row.reason]);
  return [
    '',
    ' Low-code clients (through the gateway):',
    ...indent(alignColumns([header, ...body])),
    '',
    ' Low-code exports (before any call was made):',
    ...(findings.length === 0 ? ['  nothing found'] : findings),
  ];
}

function expectationLines({ expectations, start, end }: Run): readonly string[] {
  return [
    '',
    ` Expectations after ${formatDuration(end - start)}:`,
    ...(expectations.length === 0 ? ['  none'] : []),
    ...expectations.map(({ ok, text, seen }) => `  ${ok ? 'PASS' : 'FAIL'}  ${text}${ok ? '' : ` (${seen})`}`),
  ];
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}
