/**
 * YAML text to `MeshConfig`: several documents, `List` kinds and JSON, as kustomize and helm print them. Kinds that
 * decide nothing here are counted. Every fault of every document is reported at once, with its place in the text.
 * @module
 */
import { suggest } from '../core/suggest.ts';
import { ConfigError, formatPath, type ConfigIssue } from './config-error.ts';
import { withPolicyResources } from './config-change.ts';
import { Decoding, isPlainObject, type Fault, type PlainObject } from './decode.ts';
import { decideInjection } from './injection.ts';
import { checkKubernetesKind, isCoreKind, isWorkloadKind } from './kubernetes-kinds.ts';
import type { ConfigData, Namespace, Service, ServiceAccount, Workload, WorkloadKind } from './kubernetes.ts';
import { readConfigData, readPod, readService, type PodFacts } from './kubernetes-reader.ts';
import { EMPTY_MESH_CONFIG, type MeshConfig, type PolicyResource } from './mesh-config.ts';
import { findMeshSettings, type SettingsSource } from './mesh-settings-source.ts';
import { decodeMetadata } from './object-meta.ts';
import { headOf, policyKindOf, readPolicyResource } from './policy-kinds.ts';
import type { ObjectMeta } from './resource.ts';
import { readYaml, type DocumentCache, type SourceReading, type SourceText } from './yaml-reader.ts';
import type { DocumentOrigin } from './yaml-source.ts';

export interface ParseOptions {
  /** What to call the text in positions: a file name, as a rule. `<input>` where absent. */
  readonly origin?: string;
}

/**
 * Reads manifests.
 * @throws ConfigError with every fault that was found
 */
export function parseManifests(text: string, options: ParseOptions = {}): MeshConfig {
  return parseManifestFiles([{ origin: options.origin ?? '<input>', text }]);
}

/**
 * Reads the manifests of several files as one configuration.
 * @param documents shared between configurations that have most documents in common
 * @throws ConfigError with every fault that was found, in any file
 */
export function parseManifestFiles(files: readonly SourceText[], documents: DocumentCache = new Map()): MeshConfig {
  const reading = new ManifestReading();
  for (const file of files) {
    const { objects, issues } = readYaml(file, documents);
    if (file.found === true && isForeign(file.text, { objects, issues })) continue;
    reading.issues.push(...issues);
    for (const { value, origin } of objects) reading.add(value, origin);
  }
  const config = reading.finish();
  if (reading.issues.length > 0) throw new ConfigError(reading.issues);
  return config;
}

/** Whether a file that was met in a folder is no manifest; one that cannot be read is, if its text speaks of a kind. */
function isForeign(text: string, { objects, issues }: SourceReading): boolean {
  if (issues.length > 0) return !/apiVersion|kind/i.test(text);
  return !objects.some(({ value }) => looksLikeManifest(value));
}

/** A chart, its values, a kustomization or a package have at most one of these fields, misspelt ones included. */
function looksLikeManifest(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  const fields = ['apiVersion', 'kind', 'metadata', 'spec'];
  return Object.keys(value).filter((key) => suggest(key, fields) !== undefined).length > 1;
}

interface Pending {
  readonly kind: WorkloadKind;
  readonly metadata: ObjectMeta;
  readonly facts: PodFacts;
  readonly origin: DocumentOrigin;
}

/** One reading in progress. */
class ManifestReading {
  readonly issues: ConfigIssue[] = [];
  readonly #seen = new Map<string, { readonly object: PlainObject; readonly origin: DocumentOrigin }>();
  readonly #namespaces: Namespace[] = [];
  readonly #accounts: ServiceAccount[] = [];
  readonly #workloads: Pending[] = [];
  readonly #services: Omit<Service, 'host'>[] = [];
  readonly #data: ConfigData[] = [];
  readonly #policies: PolicyResource[] = [];
  readonly #others = new Map<string, number>();
  readonly #settings: SettingsSource[] = [];

  /** Reads one document, or the items of a list. */
  add(value: unknown, origin: DocumentOrigin): void {
    const at = new Decoding();
    const head = headOf(value, at);
    if (head === undefined) {
      this.#report(at.faults, origin);
      return;
    }
    const items = head.object['items'];
    if (head.kind.endsWith('List') && Array.isArray(items)) {
      items.forEach((item: unknown, index) => this.add(item, origin.below(['items', index])));
      return;
    }
    this.#read(head.apiVersion, head.kind, head.object, at, origin);
    this.#report(at.faults, origin, resourceName(head.kind, head.object));
  }

  #read(apiVersion: string, kind: string, object: PlainObject, at: Decoding, origin: DocumentOrigin): void {
    const policy = policyKindOf(apiVersion, kind, at);
    if (policy !== undefined) {
      const resource = readPolicyResource(policy, object, at, origin);
      if (resource !== undefined && this.#isNew(apiVersion, kind, resource.metadata, object, origin)) {
        this.#policies.push(resource);
      }
      return;
    }
    checkKubernetesKind(apiVersion, kind, at);
    if (at.faults.length > 0) return;
    if (isCoreKind(apiVersion, kind) || isWorkloadKind(apiVersion, kind)) {
      this.#readCore(apiVersion, kind, object, at, origin);
    } else this.#readOther(kind, object, origin);
  }

  #readOther(kind: string, object: PlainObject, origin: DocumentOrigin): void {
    this.#others.set(kind, (this.#others.get(kind) ?? 0) + 1);
    if (kind === 'IstioOperator') this.#settings.push({ kind, object, origin });
  }

  #readCore(apiVersion: string, kind: string, object: PlainObject, at: Decoding, origin: DocumentOrigin): void {
    const scope = kind === 'Namespace' ? 'cluster' : 'namespace';
    const metadata = decodeMetadata(object, at, { scope, strict: false });
    if (!this.#isNew(apiVersion, kind, metadata, object, origin)) return;
    if (isWorkloadKind(apiVersion, kind)) {
      this.#workloads.push({ kind, metadata, facts: readPod(kind, object, metadata, at), origin });
      return;
    }
    const { name, namespace, labels, annotations } = metadata;
    if (kind === 'Namespace') this.#namespaces.push({ name, labels, annotations, origin });
    if (kind === 'ServiceAccount') this.#accounts.push({ namespace, name, origin });
    if (kind === 'Service') {
      this.#services.push({ namespace, name, metadata, ...readService(object, at), origin });
    }
    if (kind === 'Secret' || kind === 'ConfigMap') {
      const data = readConfigData(kind, object, at);
      this.#data.push({ kind, namespace, name, data });
      if (kind === 'ConfigMap') this.#settings.push({ kind, name, namespace, data, origin });
    }
  }

  /** False for a second copy; a second object of that name that differs is a fault. */
  #isNew(apiVersion: string, kind: string, meta: ObjectMeta, object: PlainObject, origin: DocumentOrigin): boolean {
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    const key = `${group}/${kind}/${meta.namespace}/${meta.name}`;
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, { object, origin });
      return true;
    }
    if (meta.name !== '' && !sameValue(first.object, object)) {
      const { file, line, column } = first.origin;
      const message = `declared twice, and differently: first at ${file}:${line}:${column}`;
      this.#report([{ path: ['metadata', 'name'], message, atKey: false }], origin, resourceName(kind, object));
    }
    return false;
  }

  #report(faults: readonly Fault[], origin: DocumentOrigin, resource?: string): void {
    for (const { path, message, atKey } of faults) {
      const position = atKey ? origin.keyPosition(path) : origin.position(path);
      const issue = { code: 'ERR_CONFIG_INVALID', path: formatPath(path), message, ...position } as const;
      this.issues.push(resource === undefined ? issue : { ...issue, resource });
    }
  }

  finish(): MeshConfig {
    const { settings, issues } = findMeshSettings(this.#settings);
    this.issues.push(...issues);
    const labelsOf = new Map(this.#namespaces.map((namespace) => [namespace.name, namespace.labels]));
    const config: MeshConfig = {
      ...EMPTY_MESH_CONFIG,
      settings,
      namespaces: this.#namespaces,
      serviceAccounts: this.#accounts,
      workloads: this.#workloads.map((pending) => workloadOf(pending, labelsOf)),
      services: this.#services.map((service) => ({
        ...service,
        host: `${service.name}.${service.namespace}.svc.${settings.clusterDomain}`,
      })),
      configData: this.#data,
      otherKinds: Object.fromEntries(this.#others),
    };
    return withPolicyResources(config, this.#policies);
  }
}

function workloadOf(
  { kind, metadata, facts, origin }: Pending,
  labelsOf: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Workload {
  const { namespace, name } = metadata;
  const { hostNetwork, hasProxy, ...rest } = facts;
  const { labels, annotations } = facts;
  const namespaceLabels = labelsOf.get(namespace) ?? {};
  const { injected, reason } = decideInjection({
    namespace,
    namespaceLabels,
    labels,
    annotations,
    hostNetwork,
    hasProxy,
  });
  return { kind, namespace, name, ...rest, injected, injectionReason: reason, origin };
}

/** `AuthorizationPolicy default/web`, as well as the object can say. */
function resourceName(kind: string, object: PlainObject): string {
  const metadata = object['metadata'];
  if (!isPlainObject(metadata)) return kind;
  const { name, namespace } = metadata;
  if (typeof name !== 'string') return kind;
  if (kind === 'Namespace') return `${kind} ${name}`;
  return `${kind} ${typeof namespace === 'string' && namespace !== '' ? namespace : 'default'}/${name}`;
}

/** Equal as JSON, whatever the order of keys. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, index) => sameValue(element, b[index]));
  }
  if (isPlainObject(a) && isPlainObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]))
    );
  }
  return Object.is(a, b);
}
