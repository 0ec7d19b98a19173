/**
 * Which object of a reading holds the mesh's settings, and the settings. The text inside a ConfigMap is YAML of its own;
 * its faults are reported at their line of the manifest.
 * @module
 */
import { formatPath, type ConfigIssue, type ConfigPath } from './config-error.ts';
import { Decoding, isPlainObject, type Fault, type PlainObject } from './decode.ts';
import { DEFAULT_MESH_SETTINGS, type MeshSettings } from './mesh-settings.ts';
import { readMeshConfig } from './mesh-settings-reader.ts';
import { readYaml } from './yaml-reader.ts';
import type { DocumentOrigin } from './yaml-source.ts';

export type SettingsSource =
  | { readonly kind: 'IstioOperator'; readonly object: PlainObject; readonly origin: DocumentOrigin }
  | {
      readonly kind: 'ConfigMap';
      readonly namespace: string;
      readonly name: string;
      readonly data: Readonly<Record<string, string>>;
      readonly origin: DocumentOrigin;
    };

interface Found {
  readonly settings: MeshSettings;
  readonly issues: readonly ConfigIssue[];
}

const CONFIG_MAP = 'istio';
const MESH_PATH: ConfigPath = ['data', 'mesh'];

/**
 * The `istio` ConfigMap of `istio-system`, or else the only other ConfigMap of that name, or that of the only revision
 * (`istio-<revision>`); failing that, the IstioOperator. What is installed wins over what an operator would install.
 */
export function findMeshSettings(sources: readonly SettingsSource[]): Found {
  const candidates = sources.filter((source) => source.kind === 'ConfigMap').filter(isMeshConfigMap);
  const named = candidates.filter(({ name }) => name === CONFIG_MAP);
  const maps = named.length > 0 ? named : candidates;
  const inRoot = named.find((map) => map.namespace === DEFAULT_MESH_SETTINGS.rootNamespace);
  const chosen = inRoot ?? maps[0];
  if (inRoot === undefined && maps.length > 1) return { ...NOTHING, issues: [ambiguous(maps)] };
  if (chosen !== undefined) return readConfigMap(chosen);
  const operator = sources.find((source) => source.kind === 'IstioOperator');
  return operator === undefined ? NOTHING : readOperator(operator.object, operator.origin);
}

const NOTHING: Found = { settings: DEFAULT_MESH_SETTINGS, issues: [] };

type ConfigMapSource = Extract<SettingsSource, { kind: 'ConfigMap' }>;

function isMeshConfigMap(source: ConfigMapSource): boolean {
  const isNamed = source.name === CONFIG_MAP || source.name.startsWith(`${CONFIG_MAP}-`);
  return isNamed && source.data['mesh'] !== undefined;
}

function ambiguous(maps: readonly ConfigMapSource[]): ConfigIssue {
  const names = maps.map((map) => `${map.namespace}/${map.name}`).join(', ');
  const { file, line, column } = maps[1]?.origin.position(MESH_PATH) ?? { file: '', line: 1, column: 1 };
  const message = `several ConfigMaps (${names}) and no istio-system/istio: which one holds the mesh config?`;
  return { code: 'ERR_CONFIG_INVALID', path: formatPath(MESH_PATH), message, file, line, column };
}

function readConfigMap({ data, origin, namespace, name }: ConfigMapSource): Found {
  const resource = `ConfigMap ${namespace}/${name}`;
  const inner = readYaml({ origin: origin.file, text: data['mesh'] ?? '' });
  const issues: ConfigIssue[] = inner.issues.map((issue) => ({
    ...issue,
    ...origin.positionInText(MESH_PATH, issue.line ?? 1, issue.column ?? 1),
    path: formatPath(MESH_PATH),
    resource,
  }));
  const document = inner.objects[0];
  const at = new Decoding();
  const settings = readMeshConfig(document?.value ?? {}, at);
  for (const fault of at.faults) {
    const place = document === undefined ? { line: 1, column: 1 } : placeOf(fault, document.origin);
    const position = origin.positionInText(MESH_PATH, place.line, place.column);
    const path = [MESH_PATH, fault.path]
      .filter(({ length }) => length > 0)
      .map(formatPath)
      .join(': ');
    issues.push({ code: 'ERR_CONFIG_INVALID', path, message: fault.message, resource, ...position });
  }
  return { settings, issues };
}

function readOperator(object: PlainObject, origin: DocumentOrigin): Found {
  const spec = isPlainObject(object['spec']) ? object['spec'] : {};
  const at = new Decoding(['spec', 'meshConfig']);
  const settings = readMeshConfig(spec['meshConfig'] ?? {}, at, clusterDomainOf(spec));
  const issues = at.faults.map((fault) => ({
    code: 'ERR_CONFIG_INVALID' as const,
    path: formatPath(fault.path),
    message: fault.message,
    resource: 'IstioOperator',
    ...placeOf(fault, origin),
  }));
  return { settings, issues };
}

function placeOf(fault: Fault, origin: DocumentOrigin): ReturnType<DocumentOrigin['position']> {
  return fault.atKey ? origin.keyPosition(fault.path) : origin.position(fault.path);
}

/** `values.global.proxy.clusterDomain`, the one place an installation names it. */
function clusterDomainOf(spec: PlainObject): string | undefined {
  let value: unknown = spec;
  for (const key of ['values', 'global', 'proxy', 'clusterDomain']) {
    value = isPlainObject(value) ? value[key] : undefined;
  }
  return typeof value === 'string' && value !== '' ? value : undefined;
}
