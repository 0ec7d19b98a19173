/**
 * Validation of single policy objects that code built, by the same rules as those that text gave.
 * @module
 */
import { ConfigError, formatPath, quote, type ConfigIssue, type ConfigPath } from './config-error.ts';
import { Decoding, isPlainObject, type Fault } from './decode.ts';
import type { PolicyResource } from './mesh-config.ts';
import { headOf, policyKindOf, readPolicyResource } from './policy-kinds.ts';
import type { ResourceOrigin } from './resource.ts';

/**
 * Checks an object as `kubectl apply` would and gives it with its defaults filled in (the namespace, for one).
 * @throws ConfigError with every fault; it has positions where the object has an `origin`
 */
export function validateResource(object: unknown): PolicyResource {
  const { resource, at } = read(object);
  const origin = originOf(object);
  if (at.faults.length > 0) throw new ConfigError(issuesOf(at.faults, nameOf(object), origin));
  if (resource !== undefined) return resource;
  const kind = isPlainObject(object) ? String(object['kind']) : '';
  throw new ConfigError([
    { code: 'ERR_CONFIG_INVALID', path: 'kind', message: `${quote(kind)} is no kind of policy meshproof knows` },
  ]);
}

export interface ResourceWarning {
  /** Below the resource: `['spec', 'rules', 0]`. */
  readonly path: ConfigPath;
  readonly message: string;
}

/** What Istio's webhook accepts and warns of in a resource. */
export function resourceWarnings(resource: PolicyResource): readonly ResourceWarning[] {
  return read(resource).at.warnings;
}

function read(object: unknown): { readonly resource: PolicyResource | undefined; readonly at: Decoding } {
  const at = new Decoding();
  const head = headOf(object, at);
  const kind = head === undefined ? undefined : policyKindOf(head.apiVersion, head.kind, at);
  if (head === undefined || kind === undefined) return { resource: undefined, at };
  const { origin: _, ...fields } = head.object;
  return { resource: readPolicyResource(kind, fields, at, originOf(object)), at };
}

function issuesOf(faults: readonly Fault[], resource: string, origin: ResourceOrigin | undefined): ConfigIssue[] {
  return faults.map(({ path, message }) => ({
    code: 'ERR_CONFIG_INVALID',
    path: formatPath(path),
    message,
    resource,
    ...origin?.position(path),
  }));
}

function nameOf(object: unknown): string {
  if (!isPlainObject(object)) return '';
  const metadata = isPlainObject(object['metadata']) ? object['metadata'] : {};
  const part = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);
  return `${part(object['kind'], '?')} ${part(metadata['namespace'], 'default')}/${part(metadata['name'], '?')}`;
}

function originOf(object: unknown): ResourceOrigin | undefined {
  const origin = isPlainObject(object) ? object['origin'] : undefined;
  return isOrigin(origin) ? origin : undefined;
}

function isOrigin(value: unknown): value is ResourceOrigin {
  return isPlainObject(value) && typeof value['position'] === 'function';
}
