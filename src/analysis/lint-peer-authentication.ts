/**
 * PeerAuthentications that do not do what they seem to.
 * @module
 */
import { isSelective, selects, type PeerAuthentication, type Workload } from '../istio/index.ts';
import type { LintContext } from './lint-context.ts';

export function lintPeerAuthentication(context: LintContext): void {
  lintConflicts(context);
  for (const policy of context.config.peerAuthentications) {
    if (!isSelective(policy.spec.selector?.matchLabels)) continue;
    if (policy.metadata.namespace === context.config.settings.rootNamespace) {
      const message = 'in the root namespace a PeerAuthentication with a selector is ignored, for every workload';
      context.report('MSH013', policy, ['spec', 'selector'], message);
      continue;
    }
    const workloads = context.selected(policy);
    lintPorts(context, policy, workloads);
    if (workloads.length > 0 && workloads.every((workload) => !workload.injected)) {
      const message = `none of the workloads it selects has a sidecar (${names(workloads)})`;
      context.report('MSH018', policy, ['spec', 'selector'], message);
    }
  }
  lintModes(context);
}

function names(workloads: readonly Workload[]): string {
  const shown = workloads.slice(0, 3).map((workload) => `${workload.namespace}/${workload.name}`);
  return workloads.length > shown.length ? `${shown.join(', ')}, …` : shown.join(', ');
}

function lintConflicts(context: LintContext): void {
  const policies = context.config.peerAuthentications;
  const { rootNamespace } = context.config.settings;
  const byNamespace = new Map<string, PeerAuthentication[]>();
  for (const policy of policies) {
    if (isSelective(policy.spec.selector?.matchLabels)) continue;
    const { namespace } = policy.metadata;
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), policy]);
  }
  for (const [namespace, several] of byNamespace) {
    if (several.length < 2) continue;
    const scope = namespace === rootNamespace ? 'the mesh' : `namespace ${namespace}`;
    const all = several.map((policy) => policy.metadata.name).join(', ');
    for (const policy of several) {
      context.report('MSH010', policy, [], `several policies for ${scope} (${all}): only the oldest counts, whole`);
    }
  }
  const told = new Set<PeerAuthentication>();
  for (const workload of context.config.workloads) {
    const several = policies.filter(
      ({ metadata, spec }) =>
        isSelective(spec.selector?.matchLabels) &&
        metadata.namespace === workload.namespace &&
        metadata.namespace !== rootNamespace &&
        selects(spec.selector?.matchLabels, workload.labels),
    );
    if (several.length < 2) continue;
    const all = several.map((policy) => policy.metadata.name).join(', ');
    for (const policy of several) {
      if (told.has(policy)) continue;
      told.add(policy);
      const message = `several policies select ${workload.name} (${all}): only the oldest counts, its ports included`;
      context.report('MSH011', policy, ['spec', 'selector'], message);
    }
  }
}

function lintPorts(context: LintContext, policy: PeerAuthentication, workloads: readonly Workload[]): void {
  for (const text of Object.keys(policy.spec.portLevelMtls ?? {})) {
    const port = Number(text);
    if (workloads.length === 0 || workloads.some((workload) => context.hasPort(workload, port))) continue;
    const target = context.behindServicePort(workloads, port);
    const path = ['spec', 'portLevelMtls', text];
    if (target !== undefined) {
      const message = `${port} is a port of the Service; the workload listens on ${target}, which is what counts here`;
      context.report('MSH014', policy, path, message);
    } else if (workloads.some((workload) => workload.ports.length > 0)) {
      context.report('MSH015', policy, path, `no selected workload (${names(workloads)}) has the port ${port}`);
    }
  }
}

/** What the modes in force mean for callers. */
function lintModes(context: LintContext): void {
  const { config, peerAuthentication } = context;
  for (const policy of config.peerAuthentications) {
    const { namespace } = policy.metadata;
    const mode = policy.spec.mtls?.mode;
    if (!isSelective(policy.spec.selector?.matchLabels) || mode !== 'STRICT') continue;
    const workloads = context.selected(policy).filter((workload) => workload.injected);
    if (workloads.length === 0 || peerAuthentication.ofNamespace(namespace).mode !== 'DISABLE') continue;
    const message = `sidecars send plaintext to namespace ${namespace}, where mutual TLS is DISABLE, and this refuses it`;
    context.report('MSH016', policy, ['spec', 'mtls', 'mode'], message);
  }
  for (const namespace of config.namespaces) {
    const open = config.workloads.filter(
      (workload) =>
        workload.namespace === namespace.name && workload.injected && peerAuthentication.of(workload).mode !== 'STRICT',
    );
    if (open.length === 0) continue;
    const { name, annotations, origin } = namespace;
    const subject = { kind: 'Namespace', metadata: { namespace: '', name, annotations }, ...(origin && { origin }) };
    context.report('MSH017', subject, [], `plaintext is accepted by ${names(open)}`);
  }
}
