/**
 * A migration plan for people, and as manifests.
 * @module
 */
import { stringify } from 'yaml';
import type { BrokenCall, MigrationPlan, MigrationStep, PlaintextPolicy, StepCheck } from '../../analysis/index.ts';
import type { PolicyRef } from '../../core/index.ts';
import type { DestinationRule, PeerAuthentication, SourcePosition } from '../../istio/index.ts';

/** More than this many calls nobody reads. */
const CALLS_MAX = 5;

export function migrationText(plan: MigrationPlan, wide: boolean): string {
  const lines = plan.steps.flatMap((step, i) => stepLines(step, i + 1, wide));
  if (plan.steps.length === 0) lines.push('mutual TLS is STRICT at every sidecar already: nothing to do');
  lines.push('');
  if (plan.policies.length > 0) {
    lines.push('POLICIES THAT RELY ON PLAINTEXT', ...plan.policies.map(policyLine), '');
  }
  if (plan.broken.length > 0) {
    lines.push(`CALLS THAT BREAK AND THAT NO STEP REPAIRS (${plan.broken.length})`);
    lines.push(...callLines(plan.broken, wide), '');
  }
  if (plan.unprotected.length > 0) {
    lines.push(`note: no sidecar, so that STRICT does not reach them: ${plan.unprotected.join(', ')}`);
  }
  for (const note of plan.notes) lines.push(`note: ${note}`);
  while (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n`;
}

function stepLines(step: MigrationStep, number: number, wide: boolean): readonly string[] {
  const lines = [`${number}. ${titleOf(step)}`];
  if (step.kind !== 'strict') lines.push(...indent(['repairs', ...callLines(step.repairs, wide)]));
  if (step.kind === 'strict') {
    for (const policy of step.apply) lines.push(`     apply    ${resourceText(policy)}`);
    if (step.apply.length === 0) lines.push('     apply    nothing: it is in force already');
    lines.push(...detail('servers', step.workloads, wide));
  }
  if (step.breaks.length > 0) lines.push(...indent(['breaks', ...callLines(step.breaks, wide)]));
  lines.push(`     checked  ${checkText(step.check)}`);
  if (step.kind === 'strict' && step.superfluous !== undefined) {
    lines.push(...detail('can go', step.superfluous.map(refText), wide));
  }
  return lines;
}

function detail(name: string, values: readonly string[], wide: boolean): readonly string[] {
  if (values.length === 0) return [];
  const shown = wide ? values : values.slice(0, CALLS_MAX);
  const more = values.length - shown.length;
  return [`     ${name.padEnd(8)} ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`];
}

function indent([name = '', ...lines]: readonly string[]): readonly string[] {
  return lines.map((line, i) => `     ${(i === 0 ? name : '').padEnd(8)} ${line.trimStart()}`);
}

export function titleOf(step: MigrationStep): string {
  switch (step.kind) {
    case 'sidecar':
      return step.action === 'inject'
        ? `give ${step.workload} a sidecar${placeText(step.at)}`
        : `restart the Pods of ${step.workload}${placeText(step.at)}`;
    case 'client-tls':
      return `let ${refText({ kind: 'DestinationRule', ...step.apply.metadata })} say ISTIO_MUTUAL${placeText(step.at)}`;
    case 'auto-mtls':
      return 'turn enableAutoMtls on in the mesh configuration';
    default:
      if (step.scope === 'mesh') return 'STRICT for the whole mesh';
      return step.scope === 'namespace'
        ? `STRICT for namespace ${step.namespace}`
        : `STRICT for ${step.workloads.length === 1 ? (step.workloads[0] ?? '') : `${step.workloads.length} servers of namespace ${step.namespace}`}`;
  }
}

function callLines(calls: readonly BrokenCall[], wide: boolean): readonly string[] {
  const shown = wide ? calls : calls.slice(0, CALLS_MAX);
  const more = calls.length - shown.length;
  return [...shown.map(callText), ...(more > 0 ? [`  and ${more} more (-o wide)`] : [])];
}

function callText({ from, to, port, reason, seenAt }: BrokenCall): string {
  const seen = seenAt === undefined ? '' : `, seen at ${seenAt}`;
  return `  ${from} -> ${to}:${port}: ${reason}${seen}`;
}

function checkText({ refused, unreachable, allowed, undecided }: StepCheck): string {
  const parts = [
    allowed.length === 0 ? 'lets nobody new in' : `lets in ${allowed.join('; ')}`,
    refused.length === 0 ? 'refuses nobody new' : `refuses ${refused.join('; ')}`,
  ];
  if (unreachable.length > 0) parts.push(`cuts off ${unreachable.join('; ')}`);
  if (undecided.length > 0) parts.push(`could not compare everything: ${undecided.join('; ')}`);
  return parts.join(', ');
}

function policyLine({ rule, at, action, plaintext, ports }: PlaintextPolicy): string {
  const what =
    plaintext === 'only'
      ? `${action === 'DENY' ? 'is about' : 'admits'} callers in the clear alone and decides nothing under STRICT`
      : 'admits callers in the clear, among others';
  return `  ${refText(rule)}${placeText(at)} ${what}: ${ports.slice(0, CALLS_MAX).join(', ')}${ports.length > CALLS_MAX ? ', …' : ''}`;
}

function resourceText({ kind, metadata, origin }: PeerAuthentication): string {
  return `${kind} ${metadata.namespace}/${metadata.name}${origin === undefined ? ' (new)' : placeText(origin)}`;
}

function refText({ kind, namespace, name, rule }: PolicyRef): string {
  return `${kind} ${namespace}/${name}${rule === undefined ? '' : ` rule ${rule}`}`;
}

function placeText(at: SourcePosition | undefined): string {
  return at === undefined ? '' : ` (${at.file}:${at.line})`;
}

/** What is to be applied, a file a step; steps that are no manifest have a comment. */
export function stepFiles(plan: MigrationPlan): readonly { readonly name: string; readonly text: string }[] {
  return plan.steps.map((step, i) => {
    const number = String(i + 1).padStart(2, '0');
    const resources: readonly (PeerAuthentication | DestinationRule)[] =
      step.kind === 'strict' ? step.apply : step.kind === 'client-tls' ? [step.apply] : [];
    const documents = resources.map((resource) => stringify(manifestOf(resource)));
    return { name: `${number}-${slugOf(step)}.yaml`, text: `# ${titleOf(step)}\n${documents.join('---\n')}` };
  });
}

function slugOf(step: MigrationStep): string {
  const name =
    step.kind === 'strict'
      ? `strict-${step.scope}-${step.namespace}`
      : step.kind === 'sidecar'
        ? `${step.action}-${step.workload.replace('/', '-')}`
        : step.kind === 'client-tls'
          ? `client-tls-${step.apply.metadata.namespace}-${step.apply.metadata.name}`
          : step.kind;
  return name.replace(/[^A-Za-z0-9.-]/g, '-');
}

function manifestOf({ apiVersion, kind, metadata, spec }: PeerAuthentication | DestinationRule): unknown {
  const { name, namespace, labels, annotations } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec,
  };
}
