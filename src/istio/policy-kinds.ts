/**
 * The Istio kinds that decide something: API group and versions, fields, and the rules of the webhook.
 * @module
 */
import { didYouMean } from '../core/suggest.ts';
import { quote } from './config-error.ts';
import {
  fieldsOf,
  isPlainObject,
  string,
  unknownField,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import type { PolicyResource } from './mesh-config.ts';
import { destinationRuleSpec, serviceEntrySpec, workloadEntrySpec } from './networking-schemas.ts';
import { decodeMetadata } from './object-meta.ts';
import type { ObjectMeta, ResourceOrigin } from './resource.ts';
import { sidecarSpec } from './sidecar-schema.ts';
import { validateAuthorizationPolicy } from './validate-authorization-policy.ts';
import { validateDestinationRule } from './validate-destination-rule.ts';
import { validatePeerAuthentication } from './validate-peer-authentication.ts';
import { validateRequestAuthentication } from './validate-request-authentication.ts';
import { validateServiceEntry, validateWorkloadEntry } from './validate-service-entry.ts';
import { validateSidecar } from './validate-sidecar.ts';
import { authorizationPolicySpec, peerAuthenticationSpec, requestAuthenticationSpec } from './security-schemas.ts';

interface Head {
  readonly apiVersion: string;
  readonly metadata: ObjectMeta;
  readonly origin?: ResourceOrigin;
}

interface PolicyKind {
  readonly group: string;
  readonly versions: readonly string[];
  /** Of the spec. */
  readonly fields: ReadonlySet<string>;
  readonly read: (head: Head, spec: unknown, at: Decoding) => PolicyResource | undefined;
}

const SECURITY = { group: 'security.istio.io', versions: ['v1', 'v1beta1'] } as const;
const NETWORKING = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'] } as const;

function define<S, R extends PolicyResource>(
  api: Omit<PolicyKind, 'read' | 'fields'>,
  spec: Decoder<S>,
  build: (head: Head, spec: S) => R,
  validate: (resource: R, at: Decoding) => void,
): PolicyKind {
  return {
    ...api,
    fields: fieldsOf(spec),
    read: (head, value, at) => {
      const decoded = at.in('spec', () => spec(value, at));
      if (decoded === undefined) return undefined;
      const resource = build(head, decoded);
      // Rules across fields would only add noise where a field could not be read.
      if (at.faults.length === 0) validate(resource, at);
      return resource;
    },
  };
}

const KINDS: ReadonlyMap<string, PolicyKind> = new Map<string, PolicyKind>([
  [
    'PeerAuthentication',
    define(
      SECURITY,
      peerAuthenticationSpec,
      (head, spec) => ({ ...head, kind: 'PeerAuthentication' as const, spec }),
      validatePeerAuthentication,
    ),
  ],
  [
    'AuthorizationPolicy',
    define(
      SECURITY,
      authorizationPolicySpec,
      (head, spec) => ({ ...head, kind: 'AuthorizationPolicy' as const, spec }),
      validateAuthorizationPolicy,
    ),
  ],
  [
    'RequestAuthentication',
    define(
      SECURITY,
      requestAuthenticationSpec,
      (head, spec) => ({ ...head, kind: 'RequestAuthentication' as const, spec }),
      validateRequestAuthentication,
    ),
  ],
  [
    'DestinationRule',
    define(
      NETWORKING,
      destinationRuleSpec,
      (head, spec) => ({ ...head, kind: 'DestinationRule' as const, spec }),
      validateDestinationRule,
    ),
  ],
  [
    'ServiceEntry',
    define(
      NETWORKING,
      serviceEntrySpec,
      (head, spec) => ({ ...head, kind: 'ServiceEntry' as const, spec }),
      validateServiceEntry,
    ),
  ],
  [
    'WorkloadEntry',
    define(
      NETWORKING,
      workloadEntrySpec,
      (head, spec) => ({ ...head, kind: 'WorkloadEntry' as const, spec }),
      validateWorkloadEntry,
    ),
  ],
  [
    'Sidecar',
    define(NETWORKING, sidecarSpec, (head, spec) => ({ ...head, kind: 'Sidecar' as const, spec }), validateSidecar),
  ],
]);

/** Every kind of Istio's two groups: one that is not among them is a slip, and would silently be no policy at all. */
const GROUP_KINDS: ReadonlyMap<string, readonly string[]> = new Map([
  [SECURITY.group, ['PeerAuthentication', 'AuthorizationPolicy', 'RequestAuthentication']],
  [
    NETWORKING.group,
    'DestinationRule ServiceEntry WorkloadEntry Sidecar EnvoyFilter Gateway ProxyConfig VirtualService WorkloadGroup'.split(
      ' ',
    ),
  ],
]);

/** Whether `kind` of `apiVersion` is one of ours, someone else's, or a misspelling of ours (a fault). */
export function policyKindOf(apiVersion: string, kind: string, at: Decoding): PolicyKind | undefined {
  const [group = '', version = ''] = apiVersion.split('/');
  const known = KINDS.get(kind);
  const inGroup = GROUP_KINDS.get(group);
  if (inGroup === undefined) {
    // Many groups are near in spelling (networking.k8s.io); a kind of ours in one of them is the slip.
    const homes = [...GROUP_KINDS].filter(([, kinds]) => kinds.includes(kind)).map(([name]) => name);
    const meant = group === '' ? '' : didYouMean(group, homes);
    if (meant !== '') at.fault(`unknown API group ${quote(group)}${meant}`, 'apiVersion');
    return undefined;
  }
  if (!inGroup.includes(kind)) {
    return at.fault(`unknown kind ${quote(kind)} in ${group}${didYouMean(kind, inGroup)}`, 'kind');
  }
  if (known === undefined) return undefined;
  if (!known.versions.includes(version)) {
    const expected = known.versions.map((name) => `\`${group}/${name}\``).join(', ');
    return at.fault(`expected one of ${expected}, found ${quote(apiVersion)}`, 'apiVersion');
  }
  return known;
}

const NO_FIELDS: ReadonlySet<string> = new Set();
const TOP_LEVEL: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

/** Decodes an object of a kind of ours, every field of it. */
export function readPolicyResource(
  kind: PolicyKind,
  object: PlainObject,
  at: Decoding,
  origin?: ResourceOrigin,
): PolicyResource | undefined {
  const fields = [...TOP_LEVEL].map((name) => [name, name === 'spec' ? kind.fields : NO_FIELDS] as const);
  for (const key of Object.keys(object)) if (!TOP_LEVEL.has(key)) unknownField(key, fields, at);
  const metadata = at.inside(TOP_LEVEL, () => decodeMetadata(object, at, { scope: 'namespace', strict: true }));
  const apiVersion = at.in('apiVersion', () => string(object['apiVersion'], at)) ?? '';
  const head = { apiVersion, metadata, ...(origin === undefined ? {} : { origin }) };
  return at.inside(TOP_LEVEL, () => kind.read(head, object['spec'] ?? {}, at));
}

/** Names a value as an object of Kubernetes, or reports why it is none. */
export function headOf(
  value: unknown,
  at: Decoding,
): { apiVersion: string; kind: string; object: PlainObject } | undefined {
  if (!isPlainObject(value)) return at.fault('expected a Kubernetes object with `apiVersion` and `kind`');
  const read = (key: string): string | undefined => {
    const text = value[key];
    if (text === undefined || text === null || text === '') return at.fault(`the field \`${key}\` is missing`);
    return at.in(key, () => string(text, at));
  };
  const [apiVersion, kind] = [read('apiVersion'), read('kind')];
  return apiVersion === undefined || kind === undefined ? undefined : { apiVersion, kind, object: value };
}
