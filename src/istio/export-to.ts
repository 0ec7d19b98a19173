/**
 * `exportTo`: which namespaces see a DestinationRule or ServiceEntry.
 * @module
 */
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import { isIstioLabel } from './network-name.ts';

export interface ExportRules {
  /** Of the resource. */
  readonly namespace: string;
  /** `~`, visible to nobody, is a value. */
  readonly noneAllowed: boolean;
  /** The resource selects workloads, and so must stay in its namespace. */
  readonly privateOnly: boolean;
}

/** Validates the field `exportTo` of the object `at` stands on. */
export function validateExportTo(exportTo: readonly string[] | undefined, rules: ExportRules, at: Decoding): void {
  const entries = exportTo ?? [];
  if (entries.length === 0) return;
  const seen = new Set<string>();
  entries.forEach((entry, index) => {
    const name = entry === '.' ? rules.namespace : entry;
    if (seen.has(name)) at.fault(`${quote(entry)} stands here twice`, 'exportTo', index);
    else if (isVisibility(name, rules)) seen.add(name);
    else at.fault(`expected \`.\`, \`*\` or a namespace, found ${quote(entry)}`, 'exportTo', index);
  });
  if (entries.length > 1 && seen.has('*')) at.fault('`*` cannot stand next to other values', 'exportTo');
  if (entries.length > 1 && seen.has('~')) at.fault('`~` cannot stand next to other values', 'exportTo');
  if (rules.privateOnly && seen.size > 0 && !(seen.size === 1 && seen.has(rules.namespace))) {
    at.fault('a rule with a workload selector can only be exported to its own namespace', 'exportTo');
  }
}

function isVisibility(name: string, rules: ExportRules): boolean {
  return name === '*' || (name === '~' && rules.noneAllowed) || isIstioLabel(name);
}
