/**
 * A configuration as the manifests it could have been read from, for messages and for files that can be replayed.
 * Ages of policies are kept; comments and what decides nothing are not.
 * @module
 */
import { stringify } from 'yaml';
import { DEFAULT_MESH_SETTINGS, type MeshConfig, policyResources, type PolicyResource } from '../istio/index.ts';

/** Several YAML documents that `parseManifests` reads as `config` again. */
export function manifestsOf(config: MeshConfig): string {
  return documents([...settingsOf(config), ...topologyOf(config), ...policyResources(config).map(plain)]);
}

/** The policies alone, and of the rest one line: what people want to see first. */
export function policiesOf(resources: readonly PolicyResource[]): string {
  return documents(resources.map(plain));
}

function documents(values: readonly object[]): string {
  return values
    .map((value) => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, flowCollectionPadding: true }))
    .join('---\n');
}

function plain({ apiVersion, kind, metadata, spec }: PolicyResource): object {
  const { name, namespace, labels, annotations, creationTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec,
  };
}

function settingsOf({ settings }: MeshConfig): readonly object[] {
  const { trustDomain, trustDomainAliases, rootNamespace, enableAutoMtls, pathNormalization, outboundTrafficPolicy } =
    settings;
  const mesh = {
    ...(trustDomain === DEFAULT_MESH_SETTINGS.trustDomain ? {} : { trustDomain }),
    ...(trustDomainAliases.length === 0 ? {} : { trustDomainAliases }),
    ...(rootNamespace === DEFAULT_MESH_SETTINGS.rootNamespace ? {} : { rootNamespace }),
    ...(enableAutoMtls ? {} : { enableAutoMtls }),
    ...(pathNormalization === 'BASE' ? {} : { pathNormalization: { normalization: pathNormalization } }),
    ...(outboundTrafficPolicy === 'ALLOW_ANY' ? {} : { outboundTrafficPolicy: { mode: outboundTrafficPolicy } }),
  };
  if (Object.keys(mesh).length === 0) return [];
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh: stringify(mesh) },
    },
  ];
}

function topologyOf({ namespaces, serviceAccounts, workloads, services }: MeshConfig): readonly object[] {
  return [
    ...namespaces.map(({ name, labels }) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })),
    ...serviceAccounts.map(({ name, namespace }) => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace },
    })),
    ...workloads.map(({ name, namespace, labels, annotations, serviceAccount, replicas, ports }) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
          spec: {
            serviceAccountName: serviceAccount,
            containers: [
              {
                name,
                image: `${name}:1`,
                ports: ports.map(({ number, name: portName, protocol }) => ({
                  containerPort: number,
                  ...(portName === undefined ? {} : { name: portName }),
                  protocol,
                })),
              },
            ],
          },
        },
      },
    })),
    ...services.map(({ name, namespace, selector, ports }) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: {
        ...(selector === undefined ? {} : { selector }),
        ports: ports.map(({ name: portName, port, targetPort }) => ({
          ...(portName === undefined ? {} : { name: portName }),
          port,
          targetPort,
        })),
      },
    })),
  ];
}
