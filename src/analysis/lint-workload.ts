/**
 * Namespaces, workloads, Services and the selectors that should find them.
 * @module
 */
import { INJECT_KEY, isSelective, selects, type PolicyResource, type Sidecar, type Workload } from '../istio/index.ts';
import { targetPortOf } from '../policy/index.ts';
import { serviceSubject, valuesOf, workloadSubject, type LintContext, type LintSubject } from './lint-context.ts';

export function lintWorkloads(context: LintContext): void {
  lintNamespaces(context);
  for (const workload of context.config.workloads) lintAnnotation(context, workload);
  for (const workload of context.config.workloads) lintProtocols(context, workload);
  for (const workload of context.config.workloads) lintServicePorts(context, workload);
  lintServices(context);
  lintServiceEntries(context);
  lintSelectors(context);
  lintSidecars(context);
  lintTokens(context);
}

function lintNamespaces(context: LintContext): void {
  const { config } = context;
  for (const { name, labels, annotations, origin } of config.namespaces) {
    const subject: LintSubject = {
      kind: 'Namespace',
      metadata: { namespace: '', name, annotations },
      ...(origin === undefined ? {} : { origin }),
    };
    const kinds = ['istio-injection', 'istio.io/rev'].filter((key) => Object.hasOwn(labels, key));
    if (kinds.length > 1) {
      const message = `${kinds.join(' and ')} are both set: istio-injection wins`;
      context.report('MSH094', subject, ['metadata', 'labels', 'istio.io/rev'], message);
    }
    const isSystem = name === config.settings.rootNamespace || name.startsWith('kube-');
    if (kinds.length > 0 || isSystem || !config.workloads.some((workload) => workload.namespace === name)) continue;
    const message = `no label asks for injection; \`kubectl label namespace ${name} istio-injection=enabled\` does`;
    context.report('MSH090', subject, ['metadata'], message);
  }
}

function lintAnnotation(context: LintContext, workload: Workload): void {
  if (!Object.hasOwn(workload.annotations, INJECT_KEY)) return;
  const path = annotationPath(workload);
  if (workload.annotations[INJECT_KEY] === 'true' && !workload.injected) {
    const message = `the annotation asks for a sidecar, but there is none: ${workload.injectionReason}; use the label of the same name`;
    context.report('MSH097', workloadSubject(workload), path, message);
    return;
  }
  context.report(
    'MSH096',
    workloadSubject(workload),
    path,
    `the annotation ${INJECT_KEY} is deprecated; use the label of the same name`,
  );
}

function annotationPath({ kind }: Workload): readonly string[] {
  const template =
    kind === 'Pod' ? [] : kind === 'CronJob' ? ['spec', 'jobTemplate', 'spec', 'template'] : ['spec', 'template'];
  return [...template, 'metadata', 'annotations', INJECT_KEY];
}

/** One workload port that several Services call by different protocols. */
function lintProtocols(context: LintContext, workload: Workload): void {
  const seen = new Map<number, { readonly protocol: string; readonly service: string }>();
  for (const service of context.servicesOf(workload)) {
    for (const port of service.ports) {
      const target = targetPortOf(workload, port.targetPort);
      if (target === undefined || port.protocol === 'udp') continue;
      const first = seen.get(target);
      if (first === undefined) seen.set(target, { protocol: port.protocol, service: service.name });
      else if (first.protocol !== port.protocol) {
        const message = `port ${target} is ${first.protocol} in Service ${first.service} and ${port.protocol} in ${service.name}; the oldest Service decides`;
        context.report('MSH092', workloadSubject(workload), [], message);
      }
    }
  }
}

/** One workload port that Services offer under different numbers: its inbound listener knows one of them. */
function lintServicePorts(context: LintContext, workload: Workload): void {
  const seen = new Map<number, { readonly port: number; readonly service: string }>();
  for (const service of context.servicesOf(workload)) {
    for (const { port, targetPort } of service.ports) {
      const target = targetPortOf(workload, targetPort);
      const first = target === undefined ? undefined : seen.get(target);
      if (target !== undefined && first === undefined) seen.set(target, { port, service: service.name });
      if (first === undefined || first.port === port || first.service === service.name) continue;
      const message = `port ${target} is ${first.port} of Service ${first.service} and ${port} of ${service.name}`;
      context.report('MSH098', workloadSubject(workload), [], message);
    }
  }
}

function lintServiceEntries(context: LintContext): void {
  const seen = new Map<string, { readonly protocol: string; readonly entry: string }>();
  for (const entry of context.config.serviceEntries) {
    for (const host of entry.spec.hosts) {
      entry.spec.ports?.forEach(({ number, protocol = '' }, index) => {
        const key = `${host}:${number}`;
        const mine = protocol.toUpperCase();
        const first = seen.get(key);
        if (first === undefined) seen.set(key, { protocol: mine, entry: entry.metadata.name });
        else if (first.protocol !== mine) {
          const message = `${key} is ${first.protocol || 'sniffed'} in ServiceEntry ${first.entry} and ${mine || 'sniffed'} here`;
          context.report('MSH099', entry, ['spec', 'ports', index, 'protocol'], message);
        }
      });
    }
  }
}

function lintServices(context: LintContext): void {
  for (const service of context.config.services) {
    const subject = serviceSubject(service);
    const workloads = context.workloadsOf(service);
    if (isSelective(service.selector) && workloads.length === 0) {
      context.report('MSH095', subject, ['spec', 'selector'], 'the selector of this Service matches no workload');
    }
    service.ports.forEach((port, index) => {
      const path = ['spec', 'ports', index];
      if (port.protocol === 'auto' && service.type !== 'ExternalName') {
        const name = port.name === undefined ? 'a port without a name' : `the port name \`${port.name}\``;
        context.report(
          'MSH091',
          subject,
          [...path, 'name'],
          `${name} says no protocol, so Istio sniffs it; begin it with http-, grpc-, tcp- or the like, or set appProtocol`,
        );
      }
      const declaring = workloads.filter((workload) => workload.ports.length > 0);
      const found = declaring.some((workload) => {
        const target = targetPortOf(workload, port.targetPort);
        return workload.ports.some(({ number }) => number === target);
      });
      if (declaring.length > 0 && !found) {
        const message = `no container of ${declaring.map((workload) => workload.name).join(', ')} declares the port \`${port.targetPort}\``;
        context.report('MSH093', subject, [...path, 'targetPort'], message);
      }
    });
  }
}

function lintSelectors(context: LintContext): void {
  const { config } = context;
  if (config.workloads.length === 0) return;
  const check = (policy: PolicyResource, labels: Readonly<Record<string, string>> | undefined, field: string): void => {
    const { namespace } = policy.metadata;
    const everywhere = namespace === config.settings.rootNamespace;
    if (!isSelective(labels) || (everywhere && policy.kind === 'PeerAuthentication')) return;
    const found = config.workloads.some((w) => (everywhere || w.namespace === namespace) && selects(labels, w.labels));
    const entry = config.workloadEntries.some(
      (w) => w.metadata.namespace === namespace && selects(labels, { ...w.metadata.labels, ...w.spec.labels }),
    );
    if (found || entry) return;
    const text = Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const whole = everywhere ? 'in any namespace' : `in namespace ${namespace}`;
    context.report(
      'MSH012',
      policy,
      ['spec', field],
      `no workload ${whole} has the labels ${text}; labels of the Pod template count`,
    );
  };
  const selecting = [...config.peerAuthentications, ...config.authorizationPolicies, ...config.requestAuthentications];
  for (const policy of selecting) check(policy, policy.spec.selector?.matchLabels, 'selector');
  for (const rule of config.destinationRules) check(rule, rule.spec.workloadSelector?.matchLabels, 'workloadSelector');
  for (const sidecar of config.sidecars) check(sidecar, sidecar.spec.workloadSelector?.labels, 'workloadSelector');
}

function lintSidecars(context: LintContext): void {
  const { sidecars, workloads } = context.config;
  const labelsOf = ({ spec }: Sidecar): Readonly<Record<string, string>> | undefined => spec.workloadSelector?.labels;
  for (const sidecar of sidecars) {
    const { namespace, name } = sidecar.metadata;
    const others = sidecars.filter((other) => other !== sidecar && other.metadata.namespace === namespace);
    if (!isSelective(labelsOf(sidecar))) {
      const second = others.find((other) => !isSelective(labelsOf(other)));
      if (second !== undefined)
        context.report('MSH111', sidecar, ['spec'], `${name} and ${second.metadata.name} both have no selector`);
      continue;
    }
    const shared = workloads.find(
      (workload) =>
        workload.namespace === namespace &&
        selects(labelsOf(sidecar), workload.labels) &&
        others.some((other) => isSelective(labelsOf(other)) && selects(labelsOf(other), workload.labels)),
    );
    if (shared === undefined) continue;
    context.report('MSH110', sidecar, ['spec', 'workloadSelector'], `another Sidecar selects ${shared.name} too`);
  }
}

/** A RequestAuthentication refuses bad tokens; that there is one at all only an AuthorizationPolicy can ask. */
function lintTokens(context: LintContext): void {
  const asking = context.config.authorizationPolicies.filter((policy) =>
    valuesOf(policy).some(({ field }) => field === 'requestPrincipals' || field.startsWith('request.auth.')),
  );
  const covered = new Set(asking.flatMap((policy) => context.selected(policy)));
  for (const request of context.config.requestAuthentications) {
    if ((request.spec.jwtRules?.length ?? 0) === 0) continue;
    const open = context.selected(request).find((workload) => !covered.has(workload));
    if (open === undefined) continue;
    const message = `no AuthorizationPolicy asks ${open.namespace}/${open.name} for a request principal: requests without a token pass`;
    context.report('MSH100', request, ['spec', 'jwtRules'], message);
  }
}
