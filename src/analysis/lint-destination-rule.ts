/**
 * DestinationRules whose TLS settings do not fit the servers behind them, and rules that nobody reads.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
 * @module
 */
import {
  selects,
  type ClientTlsSettings,
  type ConfigPath,
  type DestinationRule,
  type PeerAuthentication,
  type TrafficPolicy,
  type Workload,
} from '../istio/index.ts';
import type { Endpoint, RegisteredService } from '../policy/index.ts';
import type { LintContext } from './lint-context.ts';

/** TLS settings of a rule, where they stand, and for which service port; no port where they are for all. */
interface TlsBlock {
  readonly tls: ClientTlsSettings;
  readonly path: ConfigPath;
  readonly port?: number;
  /** Of the subset; absent where the block is for every endpoint. */
  readonly labels?: Readonly<Record<string, string>>;
}

export function lintDestinationRules(context: LintContext): void {
  for (const rule of context.config.destinationRules) {
    lintCertificates(context, rule);
    const services = servicesOf(context, rule);
    if (services.length === 0) {
      if (!isWide(rule.spec.host)) {
        const full = context.registry.resolve(rule.spec.host, rule.metadata.namespace)?.host;
        const hint = full === undefined ? '' : `; a name with a dot is taken as it is: write \`${full}\``;
        const message = `no Service and no ServiceEntry has the host \`${rule.spec.host}\`${hint}`;
        context.report('MSH070', rule, ['spec', 'host'], message);
      }
      continue;
    }
    lintNamespace(context, rule, services);
    lintSubsets(context, rule, services);
    lintPortEntries(context, rule, services);
    for (const block of tlsBlocks(rule)) lintServers(context, rule, block, services);
  }
  lintMissingRules(context);
}

function isWide(host: string): boolean {
  return host === '*' || host.startsWith('*.');
}

/** The registered services a rule is for. */
function servicesOf(context: LintContext, { spec, metadata }: DestinationRule): readonly RegisteredService[] {
  const { host } = spec;
  if (host.startsWith('*')) {
    return context.registry.services.filter((service) => service.host.endsWith(host.slice(1)));
  }
  const name = host.includes('.') ? host : `${host}.${metadata.namespace}.svc.${context.config.settings.clusterDomain}`;
  return context.registry.services.filter((service) => service.host === name || covers(service.host, name));
}

/** A ServiceEntry of `*.example.com` is what a rule for `a.example.com` is about. */
function covers(pattern: string, name: string): boolean {
  return pattern.startsWith('*') && name.endsWith(pattern.slice(1));
}

function tlsBlocks({ spec }: DestinationRule): readonly TlsBlock[] {
  const subsets = (spec.subsets ?? []).flatMap(({ trafficPolicy, labels }, index) =>
    blocksOf(trafficPolicy, ['spec', 'subsets', index, 'trafficPolicy']).map((block) => ({
      ...block,
      ...(labels === undefined ? {} : { labels }),
    })),
  );
  return [...blocksOf(spec.trafficPolicy, ['spec', 'trafficPolicy']), ...subsets];
}

function blocksOf(policy: TrafficPolicy | undefined, path: ConfigPath): readonly TlsBlock[] {
  const ports = (policy?.portLevelSettings ?? []).flatMap(({ tls, port }, index): TlsBlock[] => {
    if (tls === undefined) return [];
    const block = { tls, path: [...path, 'portLevelSettings', index, 'tls'] };
    return [port?.number === undefined ? block : { ...block, port: port.number }];
  });
  return policy?.tls === undefined ? ports : [{ tls: policy.tls, path: [...path, 'tls'] }, ...ports];
}

function lintCertificates(context: LintContext, rule: DestinationRule): void {
  for (const { tls, path, port } of tlsBlocks(rule)) {
    const { mode = 'DISABLE', credentialName = '', caCertificates = '', insecureSkipVerify } = tls;
    if (mode !== 'SIMPLE' && mode !== 'MUTUAL') continue;
    if (
      credentialName !== '' &&
      rule.spec.workloadSelector === undefined &&
      !credentialName.startsWith('configmap://')
    ) {
      const message =
        'sidecars read credentialName only from a rule with a workloadSelector; without one they send plaintext';
      context.report('MSH081', rule, [...path, 'credentialName'], message);
    }
    if (caCertificates !== '' || credentialName !== '' || insecureSkipVerify === true) continue;
    const message = `${mode} without caCertificates trusts the certificate authorities of the operating system`;
    context.report(port === undefined ? 'MSH072' : 'MSH073', rule, path, message);
  }
}

/** Rules are looked up in the client's, the service's and the root namespace, and nowhere else. */
function lintNamespace(context: LintContext, rule: DestinationRule, services: readonly RegisteredService[]): void {
  const { namespace } = rule.metadata;
  const { config } = context;
  if (namespace === config.settings.rootNamespace || isWide(rule.spec.host)) return;
  if (services.some((service) => service.namespace === namespace)) return;
  if (config.workloads.some((workload) => workload.namespace === namespace && workload.injected)) return;
  const message = `only clients in namespace ${namespace} would read this rule, and it has no workload with a sidecar; exportTo does not change that`;
  context.report('MSH077', rule, ['metadata', 'namespace'], message);
}

/** Labels that istiod adds to an endpoint from its node, which manifests do not tell. */
const NODE_LABEL = /^(?:topology\.(?:kubernetes|istio)\.io|kubernetes\.io\/hostname$)/;

function ownLabels(labels: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !NODE_LABEL.test(key)));
}

function lintSubsets(context: LintContext, rule: DestinationRule, services: readonly RegisteredService[]): void {
  const endpoints = services.flatMap((service) => service.ports.flatMap((port) => service.endpoints(port.number)));
  if (services.some((service) => service.location === 'MESH_EXTERNAL')) return;
  rule.spec.subsets?.forEach((subset, index) => {
    if (endpoints.some((endpoint) => selects(ownLabels(subset.labels), endpoint.labels))) return;
    context.report(
      'MSH071',
      rule,
      ['spec', 'subsets', index],
      `the subset \`${subset.name}\` selects no Pod: 503 for whoever is sent there`,
    );
  });
}

function lintPortEntries(context: LintContext, rule: DestinationRule, services: readonly RegisteredService[]): void {
  const { trafficPolicy } = rule.spec;
  trafficPolicy?.portLevelSettings?.forEach((entry, index) => {
    const path = ['spec', 'trafficPolicy', 'portLevelSettings', index];
    const number = entry.port?.number;
    if (number !== undefined && !services.some((service) => service.ports.some((port) => port.number === number))) {
      const ports = services.flatMap((service) => service.ports.map((port) => port.number)).join(', ');
      context.report(
        'MSH079',
        rule,
        [...path, 'port', 'number'],
        `port entries name ports of the Service (${ports}), and not ${number}`,
      );
    }
    const above = trafficPolicy.tls?.mode;
    if (entry.tls === undefined && above !== undefined) {
      const message = `this entry replaces all settings of the port, and so drops the TLS mode ${above} above it`;
      context.report('MSH078', rule, path, message);
    }
  });
}

/** Holds a TLS block against each server it is for; reports each kind of misfit once. */
function lintServers(
  context: LintContext,
  rule: DestinationRule,
  block: TlsBlock,
  services: readonly RegisteredService[],
): void {
  const told = new Set<string>();
  for (const service of services) {
    if (service.location === 'MESH_EXTERNAL' || !isRead(context, rule, service)) continue;
    for (const port of service.ports) {
      if (block.port !== undefined ? block.port !== port.number : hasOwnEntry(rule, port.number)) continue;
      for (const endpoint of service.endpoints(port.number)) {
        if (!selects(block.labels, endpoint.labels)) continue;
        const misfit = misfitOf(context, block.tls, endpoint);
        if (misfit === undefined || told.has(misfit.code)) continue;
        told.add(misfit.code);
        const at = `${service.host}:${port.number}`;
        context.report(misfit.code, rule, [...block.path, 'mode'], `${at}: ${misfit.message}`);
      }
    }
  }
}

/** Whether some client looks for the rule of a service where it is: in its own, the service's or the root namespace. */
function isRead(context: LintContext, rule: DestinationRule, service: RegisteredService): boolean {
  const { namespace } = rule.metadata;
  const { settings, workloads } = context.config;
  if (namespace === service.namespace || namespace === settings.rootNamespace) return true;
  return workloads.some((workload) => workload.namespace === namespace && workload.injected);
}

function hasOwnEntry(rule: DestinationRule, port: number): boolean {
  return rule.spec.trafficPolicy?.portLevelSettings?.some((entry) => entry.port?.number === port) === true;
}

interface Misfit {
  readonly code: 'MSH074' | 'MSH075' | 'MSH076' | 'MSH082';
  readonly message: string;
}

function misfitOf(context: LintContext, { mode }: ClientTlsSettings, endpoint: Endpoint): Misfit | undefined {
  const workload = workloadAt(context, endpoint);
  if (workload === undefined || mode === undefined) return undefined;
  const name = `${workload.namespace}/${workload.name}`;
  if (!workload.injected) {
    // A Pod may end Istio's mutual TLS without a sidecar, and say so.
    if (mode !== 'ISTIO_MUTUAL' || workload.labels['security.istio.io/tlsMode'] === 'istio') return undefined;
    return { code: 'MSH075', message: `${name} has no sidecar to end mutual TLS: 503` };
  }
  const server = context.peerAuthentication.of(workload, endpoint.port).mode;
  if (mode === 'DISABLE' && server === 'STRICT') {
    return { code: 'MSH074', message: `clients send plaintext, and ${name} is STRICT: 503` };
  }
  if (mode === 'ISTIO_MUTUAL' && server === 'DISABLE') {
    return { code: 'MSH082', message: `clients send mutual TLS, and ${name} is DISABLE: 503` };
  }
  const declared = context.ports(workload).find((port) => port.port === endpoint.port)?.protocolClass;
  if ((mode === 'SIMPLE' || mode === 'MUTUAL') && server === 'PERMISSIVE' && declared === 'http') {
    return {
      code: 'MSH076',
      message: `${mode} does not say it is Istio's, and a PERMISSIVE HTTP port of ${name} closes such TLS: 503`,
    };
  }
  return undefined;
}

function workloadAt(context: LintContext, { workload }: Endpoint): Workload | undefined {
  return context.config.workloads.find(
    ({ namespace, name }) => namespace === workload?.namespace && name === workload.name,
  );
}

/** Without auto mTLS a client needs a rule to speak TLS at all. */
function lintMissingRules(context: LintContext): void {
  const { config, destinationRules } = context;
  if (config.settings.enableAutoMtls) return;
  const clients = config.workloads.filter((workload) => workload.injected);
  for (const policy of config.peerAuthentications) {
    if (policy.spec.mtls?.mode !== 'STRICT') continue;
    const bare = context.registry.services.find(
      (service) =>
        isMadeStrict(context, service, policy) &&
        clients.some((client) => destinationRules.lookup(client, service) === undefined),
    );
    if (bare === undefined) continue;
    const message = `enableAutoMtls is off and no DestinationRule makes clients of ${bare.host} use mutual TLS: 503`;
    context.report('MSH080', policy, ['spec', 'mtls', 'mode'], message);
  }
}

/** Whether it is `policy` that makes some endpoint of the service refuse plaintext. */
function isMadeStrict(context: LintContext, service: RegisteredService, policy: PeerAuthentication): boolean {
  const endpoints = service.ports.flatMap((port) => service.endpoints(port.number));
  return endpoints.some((endpoint) => {
    const server = workloadAt(context, endpoint);
    if (server?.injected !== true) return false;
    const { mode, determinedBy } = context.peerAuthentication.of(server, endpoint.port);
    const { name, namespace } = policy.metadata;
    return mode === 'STRICT' && determinedBy?.name === name && determinedBy.namespace === namespace;
  });
}
