/**
 * What a client's sidecar does, once more and deliberately naive: written down from Istio's documentation and the rules
 * of istiod, over plain lists, without indices and without any code of `src/policy`.
 *
 * Sources: https://istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration/ and
 * https://istio.io/latest/docs/reference/config/networking/destination-rule/
 */
import type {
  ClientTlsSettings,
  DestinationRule,
  MeshConfig,
  PeerAuthentication,
  Service,
  TrafficPolicy,
  Workload,
} from '../../src/istio/index.ts';

type Labels = Readonly<Record<string, string>>;

export interface Client {
  readonly namespace: string;
  readonly labels: Labels;
}

export interface NaiveAnswer {
  readonly mode: 'plaintext' | 'istio_mutual' | 'simple' | 'mutual' | 'cluster_not_found';
  readonly sni?: string;
  readonly names?: readonly string[];
}

export interface NaiveQuestion {
  readonly config: MeshConfig;
  readonly from: Client;
  readonly service: Service;
  readonly port: number;
  readonly subset?: string;
  /** The Pods of the endpoint, and the port they listen on. */
  readonly endpoint: { readonly pod: Workload; readonly port: number };
}

const within = (part: Labels, whole: Labels): boolean =>
  Object.entries(part).every(([key, value]) => whole[key] === value);

const birth = ({ metadata }: DestinationRule | PeerAuthentication): number =>
  metadata.creationTimestamp === undefined ? Number.MIN_SAFE_INTEGER : Date.parse(metadata.creationTimestamp);

const before = (a: DestinationRule | PeerAuthentication, b: DestinationRule | PeerAuthentication): boolean =>
  birth(a) < birth(b) || (birth(a) === birth(b) && a.metadata.name < b.metadata.name);

const eldest = <T extends DestinationRule | PeerAuthentication>(all: readonly T[]): T | undefined =>
  all.find((one) => all.every((other) => other === one || before(one, other)));

const sortedByAge = (rules: readonly DestinationRule[]): DestinationRule[] => {
  const left = [...rules];
  const out: DestinationRule[] = [];
  while (left.length > 0) {
    const next = eldest(left) ?? left[0];
    if (next === undefined) break;
    out.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return out;
};

/** Server side: mesh, then namespace, then workload, then port. */
export function naiveServerMode(config: MeshConfig, pod: Client, port?: number): string {
  const root = config.settings.rootNamespace;
  const labelsOf = (policy: PeerAuthentication): Labels => policy.spec.selector?.matchLabels ?? {};
  const wide = (namespace: string): PeerAuthentication | undefined =>
    eldest(
      config.peerAuthentications.filter(
        (policy) => policy.metadata.namespace === namespace && Object.keys(labelsOf(policy)).length === 0,
      ),
    );
  const own = eldest(
    config.peerAuthentications.filter(
      (policy) =>
        policy.metadata.namespace === pod.namespace &&
        pod.namespace !== root &&
        Object.keys(labelsOf(policy)).length > 0 &&
        within(labelsOf(policy), pod.labels),
    ),
  );
  let mode = 'PERMISSIVE';
  const say = (next: string | undefined): void => {
    if (next !== undefined && next !== 'UNSET') mode = next;
  };
  say(wide(root)?.spec.mtls?.mode);
  if (pod.namespace !== root) say(wide(pod.namespace)?.spec.mtls?.mode);
  if (port === undefined) return mode;
  say(own?.spec.mtls?.mode);
  say(own?.spec.portLevelMtls?.[port]?.mode);
  return mode;
}

interface Folded {
  readonly namespace: string;
  readonly host: string;
  readonly exportTo: readonly string[];
  readonly selector?: Labels;
  policy?: TrafficPolicy;
  readonly subsets: { readonly name: string; readonly policy?: TrafficPolicy }[];
}

function folded(rule: DestinationRule, config: MeshConfig): Folded {
  const { host, workloadSelector, trafficPolicy, subsets = [], exportTo = [] } = rule.spec;
  const { namespace } = rule.metadata;
  const full = host.includes('.') || host === '*' ? host : `${host}.${namespace}.svc.${config.settings.clusterDomain}`;
  const own: Folded['subsets'] = [];
  for (const { name, trafficPolicy: policy } of subsets) {
    if (own.every((known) => known.name !== name)) own.push({ name, ...(policy === undefined ? {} : { policy }) });
  }
  return {
    namespace,
    host: full,
    exportTo: workloadSelector === undefined ? [...new Set(exportTo)] : ['.'],
    ...(workloadSelector === undefined ? {} : { selector: workloadSelector.matchLabels ?? {} }),
    ...(trafficPolicy === undefined ? {} : { policy: trafficPolicy }),
    subsets: own,
  };
}

const holds = (whole: readonly string[], part: readonly string[]): boolean => part.every((one) => whole.includes(one));

/** Rules of one host, one namespace and one kind of visibility, put together as istiod does. */
function putTogether(rules: readonly Folded[]): readonly Folded[] {
  const kept: Folded[] = [];
  for (const rule of rules) {
    let alone = true;
    for (const other of kept) {
      const same = holds(other.exportTo, rule.exportTo) && holds(rule.exportTo, other.exportTo);
      const wider = other.exportTo.length > 0 && holds(rule.exportTo, other.exportTo);
      alone = !same;
      if (!same && !wider) continue;
      const [left, right] = [other.selector, rule.selector];
      const equal = left !== undefined && right !== undefined && within(left, right) && within(right, left);
      if (left !== undefined && right !== undefined && !equal) {
        alone = true;
        continue;
      }
      if (equal || (left === undefined && right === undefined)) alone = false;
      if (other.policy === undefined && rule.policy !== undefined) other.policy = rule.policy;
      for (const subset of rule.subsets) {
        if (other.subsets.every(({ name }) => name !== subset.name)) other.subsets.push(subset);
      }
    }
    if (alone) kept.push({ ...rule, subsets: [...rule.subsets] });
  }
  return kept;
}

function covers(pattern: string, host: string): boolean {
  return pattern === host || (pattern.startsWith('*') && host.endsWith(pattern.slice(1)));
}

/** What a namespace has for a host under one visibility: the rules of the most specific host, put together. */
function ofMostSpecific(rules: readonly Folded[], host: string): readonly Folded[] {
  const fitting = rules.filter((rule) => covers(rule.host, host));
  const best = fitting.map((rule) => (rule.host === host ? Infinity : rule.host.length)).sort((a, b) => b - a)[0];
  return putTogether(fitting.filter((rule) => (rule.host === host ? Infinity : rule.host.length) === best));
}

function ruleFor(config: MeshConfig, from: Client, service: Service): Folded | undefined {
  const { rootNamespace, defaultDestinationRuleExportTo: byDefault } = config.settings;
  const ordered = sortedByAge(config.destinationRules);
  const all = [
    ...ordered.filter((rule) => rule.spec.workloadSelector !== undefined),
    ...ordered.filter((rule) => rule.spec.workloadSelector === undefined),
  ].map((rule) => folded(rule, config));
  const isPrivate = ({ exportTo, namespace }: Folded): boolean =>
    exportTo.length === 0
      ? byDefault.includes('.')
      : exportTo.length === 1 && (exportTo[0] === '.' || exportTo[0] === namespace);
  const seenAtHome = ({ exportTo, namespace }: Folded): boolean =>
    exportTo.length === 0 || ['*', '.', namespace].some((scope) => exportTo.includes(scope));
  const exported = (namespace: string): readonly Folded[] =>
    ofMostSpecific(
      all.filter((rule) => rule.namespace === namespace && !isPrivate(rule)),
      service.host,
    ).filter(({ exportTo }) => exportTo.length === 0 || exportTo.includes('*') || exportTo.includes(from.namespace));
  const home = all.filter(
    (rule) =>
      rule.namespace === from.namespace && (from.namespace === rootNamespace ? isPrivate(rule) : seenAtHome(rule)),
  );
  const steps = [
    () => ofMostSpecific(home, service.host),
    () => exported(service.namespace),
    () => exported(rootNamespace),
  ];
  for (const step of steps) {
    const found = step();
    if (found.length === 0) continue;
    const mine = found.find(
      ({ selector, namespace }) =>
        selector !== undefined && namespace === from.namespace && within(selector, from.labels),
    );
    return mine ?? found.filter(({ selector }) => selector === undefined).at(-1);
  }
  return undefined;
}

type Effective = Pick<TrafficPolicy, 'tls' | 'loadBalancer'>;

const portEntry = (policy: TrafficPolicy | undefined, port: number) =>
  policy?.portLevelSettings?.find((entry) => entry.port?.number === port);

function effective(rule: Folded | undefined, port: number, subset: TrafficPolicy | undefined): Effective {
  const base: Effective = portEntry(rule?.policy, port) ?? rule?.policy ?? {};
  if (subset === undefined) return base;
  const entry = portEntry(subset, port);
  if (entry !== undefined) return entry;
  const tls = subset.tls ?? base.tls;
  const loadBalancer = subset.loadBalancer ?? base.loadBalancer;
  return { ...(tls === undefined ? {} : { tls }), ...(loadBalancer === undefined ? {} : { loadBalancer }) };
}

const isPassthrough = (policy: Effective | undefined): boolean => policy?.loadBalancer?.['simple'] === 'PASSTHROUGH';

/** The mode that is held against a single endpoint: a port entry without TLS does not hide what stands above it. */
function namedMode(policy: TrafficPolicy | undefined, port: number): ClientTlsSettings | undefined {
  const entries = policy?.portLevelSettings?.filter((entry) => entry.port?.number === port) ?? [];
  return entries.find(({ tls }) => tls !== undefined)?.tls ?? policy?.tls;
}

export function naiveClientTls(question: NaiveQuestion): NaiveAnswer {
  const { config, from, service, port, subset, endpoint } = question;
  const rule = ruleFor(config, from, service);
  const named = rule?.subsets.find(({ name }) => name === subset);
  if (subset !== undefined && named === undefined) return { mode: 'cluster_not_found' };
  const { tls, ...rest } = effective(rule, port, named?.policy);
  if (tls !== undefined) return byRule(question, tls, rule?.selector !== undefined);

  const pods = podsOf(config, service);
  const sidecars = pods.every(({ injected }) => injected) && pods.length > 0;
  // A subset's cluster begins as a copy of the service's, so what made that one pass addresses through stays.
  const rawBalancer = subset === undefined ? rule?.policy : named?.policy;
  if (!config.settings.enableAutoMtls) return { mode: 'plaintext' };
  if ((service.headless || isPassthrough(rawBalancer)) && !sidecars) return { mode: 'plaintext' };
  if (naiveServerMode(config, { namespace: service.namespace, labels: {} }) === 'DISABLE') return { mode: 'plaintext' };
  const mutual = istioMutual(question, {});
  const isWhole =
    service.headless || [rawBalancer, rest, effective(rule, port, undefined)].some((policy) => isPassthrough(policy));
  if (isWhole) return mutual;

  const forced = subset === undefined ? undefined : namedMode(named?.policy, port);
  const mode = (forced ?? namedMode(rule?.policy, port))?.mode;
  const isNamed = forced !== undefined || namedMode(rule?.policy, port) !== undefined;
  const fits = isNamed ? mode === 'ISTIO_MUTUAL' : naiveServerMode(config, endpoint.pod, endpoint.port) !== 'DISABLE';
  return fits && endpoint.pod.injected ? mutual : { mode: 'plaintext' };
}

function podsOf(config: MeshConfig, service: Service): readonly Workload[] {
  return config.workloads.filter(
    (pod) => pod.namespace === service.namespace && pod.replicas > 0 && within(service.selector ?? {}, pod.labels),
  );
}

function byRule(question: NaiveQuestion, tls: ClientTlsSettings, hasSelector: boolean): NaiveAnswer {
  const { mode = 'DISABLE', credentialName = '', clientCertificate = '', privateKey = '', sni = '' } = tls;
  if (mode === 'DISABLE') return { mode: 'plaintext' };
  if (mode === 'ISTIO_MUTUAL') return istioMutual(question, tls);
  if (credentialName !== '' && !hasSelector) return { mode: 'plaintext' };
  if (mode === 'MUTUAL' && credentialName === '' && (clientCertificate === '' || privateKey === '')) {
    return { mode: 'plaintext' };
  }
  return {
    mode: mode === 'MUTUAL' ? 'mutual' : 'simple',
    ...(sni === '' ? {} : { sni }),
    names: tls.insecureSkipVerify === true ? [] : (tls.subjectAltNames ?? []),
  };
}

function istioMutual(question: NaiveQuestion, { sni = '', subjectAltNames = [] }: ClientTlsSettings): NaiveAnswer {
  const { config, service, port, subset = '' } = question;
  const { trustDomain, trustDomainAliases } = config.settings;
  const accounts = podsOf(config, service).flatMap((pod) =>
    [trustDomain, ...trustDomainAliases].map(
      (domain) => `spiffe://${domain}/ns/${pod.namespace}/sa/${pod.serviceAccount}`,
    ),
  );
  return {
    mode: 'istio_mutual',
    sni: sni === '' ? `outbound_.${port}_.${subset}_.${service.host}` : sni,
    names: subjectAltNames.length > 0 ? subjectAltNames : [...new Set(accounts)].sort(),
  };
}
