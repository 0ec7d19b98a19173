/**
 * Namespaces, workloads and Services.
 * @module
 */
import { INJECT_KEY, isSelective, type Service, type Workload } from '../istio/index.ts';
import { targetPortOf } from '../policy/index.ts';
import { serviceSubject, valuesOf, workloadSubject, type LintContext, type LintSubject } from './lint-context.ts';

export function lintWorkloads(context: LintContext): void {
  lintNamespaces(context);
  for (const workload of context.config.workloads) lintAnnotation(context, workload);
  for (const workload of context.config.workloads) lintProtocols(context, workload);
  for (const workload of context.config.workloads) lintServicePorts(context, workload);
  for (const workload of context.config.workloads) lintUser(context, workload);
  lintServices(context);
  lintTokens(context);
}

const INJECTION_LABEL = 'istio-injection';
/** Each of them makes the Pods of a namespace part of the mesh in its own way; the first that is there decides. */
const MEMBERSHIP_LABELS = [INJECTION_LABEL, 'istio.io/rev', 'istio.io/dataplane-mode'] as const;

function isSystemNamespace(context: LintContext, name: string): boolean {
  return name === context.config.settings.rootNamespace || name.startsWith('kube-');
}

function lintNamespaces(context: LintContext): void {
  const { config } = context;
  for (const { name, labels, annotations, origin } of config.namespaces) {
    const subject: LintSubject = {
      kind: 'Namespace',
      metadata: { namespace: '', name, annotations },
      ...(origin === undefined ? {} : { origin }),
    };
    const kinds = MEMBERSHIP_LABELS.filter((key) => Object.hasOwn(labels, key));
    // A namespace that is kept out says so with one label, and the others are of no account.
    if (kinds.length > 1 && (labels[INJECTION_LABEL] ?? 'enabled') === 'enabled') {
      const message = `${kinds.join(' and ')} are all set: ${kinds[0]} decides, and Pods get a sidecar by it`;
      context.report('MSH094', subject, ['metadata', 'labels', kinds[1] ?? ''], message);
    }
    const isSystem = isSystemNamespace(context, name);
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

/** What the proxy itself runs as: its own traffic must not be sent back to it. */
const PROXY_USER = 1337;

function lintUser(context: LintContext, workload: Workload): void {
  if (workload.userIds?.includes(PROXY_USER) !== true) return;
  const message = `runs as user ${PROXY_USER}, as a sidecar does: its calls go past the sidecar, in plaintext`;
  context.report('MSH112', workloadSubject(workload), [], message);
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

/** Neither the system's nor made by a gateway controller: its port names are somebody's to change. */
function isUsersOwn(context: LintContext, { namespace, metadata }: Service): boolean {
  return !isSystemNamespace(context, namespace) && !Object.hasOwn(metadata.labels, 'gateway.istio.io/managed');
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
      if (port.protocol === 'auto' && service.type !== 'ExternalName' && isUsersOwn(context, service)) {
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
