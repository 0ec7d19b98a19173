/**
 * Who may call what, as a table: what was asked, what came back, and which policy decided.
 * @module
 */
import type { PolicyRef } from '../core/index.ts';
import { alignColumns } from './tabwriter.ts';

export interface AuthorizationRow {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  /** The status that was asked for; adds the columns `EXPECTED` and `RESULT`. */
  readonly expected?: number;
  readonly status: number;
  /** What decided: a policy, or words such as `no ALLOW policy matched`. */
  readonly by?: PolicyRef | string;
}

/** The table, one line a row below its header, without a final line break. */
export function renderAuthorizationTable(rows: readonly AuthorizationRow[]): string {
  const compared = rows.some((row) => row.expected !== undefined);
  const header = ['FROM', 'TO', 'METHOD', 'PATH', ...(compared ? ['EXPECTED'] : []), 'STATUS'];
  const lines = rows.map((row) => [
    row.from,
    row.to,
    row.method,
    row.path,
    ...(compared ? [row.expected === undefined ? '-' : String(row.expected)] : []),
    String(row.status),
    ...(compared ? [resultOf(row)] : []),
    byOf(row.by),
  ]);
  return alignColumns([[...header, ...(compared ? ['RESULT'] : []), 'BY'], ...lines]).join('\n');
}

/** `namespace/name`, with the rule where one decided: `default/api-gateway-policy rule 0`. */
export function formatPolicyRef(ref: PolicyRef): string {
  return `${ref.namespace}/${ref.name}${ref.rule === undefined ? '' : ` rule ${ref.rule}`}`;
}

function resultOf(row: AuthorizationRow): string {
  if (row.expected === undefined) return '-';
  return row.expected === row.status ? 'ok' : 'WRONG';
}

function byOf(by: PolicyRef | string | undefined): string {
  if (by === undefined || by === '') return '-';
  return typeof by === 'string' ? by : formatPolicyRef(by);
}
