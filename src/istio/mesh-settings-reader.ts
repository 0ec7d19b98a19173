/**
 * MeshConfig from where Istio keeps it: the text `data.mesh` of the `istio` ConfigMap, or an IstioOperator's
 * `spec.meshConfig`. Most of MeshConfig does not decide a verdict and is ignored; a field that looks like a misspelt
 * one of ours is refused, since Istio would ignore it silently.
 * Source: https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/
 * @module
 */
import { suggest } from '../core/suggest.ts';
import { parseTrustDomain } from '../identity/spiffe-id.ts';
import { MeshError } from '../core/errors.ts';
import { quote } from './config-error.ts';
import {
  boolean,
  checked,
  integer,
  isPlainObject,
  list,
  object,
  oneOf,
  port,
  string,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import { DEFAULT_MESH_SETTINGS, type ExtAuthzProvider, type MeshSettings } from './mesh-settings.ts';

const OPEN = { open: true } as const;
const HTTP_FORBIDDEN = 403;
const HOPS_MAX = 4_294_967_295;

/** `@` may stand in the accounts trust domains were once made of; Istio writes a dot for it. */
const trustDomain: Decoder<string> = (value, at) => {
  const text = string(value, at)?.replaceAll('@', '.');
  if (text === undefined) return undefined;
  try {
    return parseTrustDomain(text);
  } catch (error) {
    if (error instanceof MeshError) return at.fault(error.message);
    throw error;
  }
};

interface RawAuthorizer {
  readonly service: string;
  readonly port: number;
  readonly failOpen?: boolean;
  readonly statusOnError?: string;
}

const statusOnError: Decoder<string> = checked(string, (text, at) => {
  if (!/^[1-5]\d\d$/.test(text)) at.fault(`expected an HTTP status such as "403", found ${quote(text)}`);
});

const authorizer: Decoder<RawAuthorizer> = object<RawAuthorizer>(
  { service: string, port, failOpen: boolean, statusOnError },
  { ...OPEN, required: ['service', 'port'] },
);

interface RawProvider {
  readonly name: string;
  readonly envoyExtAuthzHttp?: RawAuthorizer;
  readonly envoyExtAuthzGrpc?: RawAuthorizer;
}

const provider: Decoder<RawProvider> = object<RawProvider>(
  { name: string, envoyExtAuthzHttp: authorizer, envoyExtAuthzGrpc: authorizer },
  { ...OPEN, required: ['name'] },
);

interface RawMeshConfig {
  readonly trustDomain?: string;
  readonly trustDomainAliases?: readonly string[];
  readonly rootNamespace?: string;
  readonly enableAutoMtls?: boolean;
  readonly pathNormalization?: { readonly normalization?: MeshSettings['pathNormalization'] | 'DEFAULT' };
  readonly extensionProviders?: readonly RawProvider[];
  readonly outboundTrafficPolicy?: { readonly mode?: MeshSettings['outboundTrafficPolicy'] | 'ALLOW_ANY_DYNAMIC_DNS' };
  readonly defaultDestinationRuleExportTo?: readonly string[];
  readonly caCertificates?: readonly { readonly trustDomains?: readonly string[] }[];
  readonly meshMTLS?: { readonly minProtocolVersion?: 'TLS_AUTO' | 'TLSV1_2' | 'TLSV1_3' };
  readonly defaultConfig?: { readonly gatewayTopology?: { readonly numTrustedProxies?: number } };
}

type Topology = NonNullable<NonNullable<RawMeshConfig['defaultConfig']>['gatewayTopology']>;

const meshConfig: Decoder<RawMeshConfig> = object<RawMeshConfig>(
  {
    trustDomain,
    trustDomainAliases: list(trustDomain),
    rootNamespace: string,
    enableAutoMtls: boolean,
    pathNormalization: object<NonNullable<RawMeshConfig['pathNormalization']>>({
      normalization: oneOf('DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
    }),
    extensionProviders: list(provider),
    outboundTrafficPolicy: object<NonNullable<RawMeshConfig['outboundTrafficPolicy']>>({
      mode: oneOf('ALLOW_ANY', 'REGISTRY_ONLY', 'ALLOW_ANY_DYNAMIC_DNS'),
    }),
    defaultDestinationRuleExportTo: list(string),
    caCertificates: list(object<{ trustDomains?: readonly string[] }>({ trustDomains: list(trustDomain) }, OPEN)),
    meshMTLS: object<NonNullable<RawMeshConfig['meshMTLS']>>(
      { minProtocolVersion: oneOf('TLS_AUTO', 'TLSV1_2', 'TLSV1_3') },
      OPEN,
    ),
    defaultConfig: object<NonNullable<RawMeshConfig['defaultConfig']>>(
      { gatewayTopology: object<Topology>({ numTrustedProxies: integer(0, HOPS_MAX) }, OPEN) },
      OPEN,
    ),
  },
  OPEN,
);

const MODELLED: readonly string[] = [
  'trustDomain',
  'trustDomainAliases',
  'rootNamespace',
  'enableAutoMtls',
  'pathNormalization',
  'extensionProviders',
  'outboundTrafficPolicy',
  'defaultDestinationRuleExportTo',
  'caCertificates',
  'meshMTLS',
  'defaultConfig',
];
/** Fields of MeshConfig that are near in spelling to a modelled one. */
const NEIGHBOURS: ReadonlySet<string> = new Set([
  ...MODELLED,
  'defaultServiceExportTo',
  'defaultVirtualServiceExportTo',
  'defaultProviders',
  'inboundTrafficPolicy',
  'tlsDefaults',
  'certificates',
]);

/** Reads a MeshConfig value; `clusterDomain` is no part of it and comes from the installation's values. */
export function readMeshConfig(value: unknown, at: Decoding, clusterDomain?: string): MeshSettings {
  if (isPlainObject(value)) refuseMisspelt(value, at);
  const raw = meshConfig(value, at) ?? {};
  const defaults = DEFAULT_MESH_SETTINGS;
  const providers = (raw.extensionProviders ?? []).map(extAuthz);
  const outbound = raw.outboundTrafficPolicy?.mode ?? defaults.outboundTrafficPolicy;
  const normalization = raw.pathNormalization?.normalization ?? 'DEFAULT';
  return {
    trustDomain: raw.trustDomain ?? defaults.trustDomain,
    trustDomainAliases: raw.trustDomainAliases ?? [],
    caTrustDomains: (raw.caCertificates ?? []).flatMap((ca) => ca.trustDomains ?? []),
    rootNamespace: raw.rootNamespace || defaults.rootNamespace,
    clusterDomain: clusterDomain ?? defaults.clusterDomain,
    enableAutoMtls: raw.enableAutoMtls ?? defaults.enableAutoMtls,
    pathNormalization: normalization === 'DEFAULT' ? 'BASE' : normalization,
    // How unknown hosts are resolved makes no difference to who may be called.
    outboundTrafficPolicy: outbound === 'ALLOW_ANY_DYNAMIC_DNS' ? 'ALLOW_ANY' : outbound,
    defaultDestinationRuleExportTo: raw.defaultDestinationRuleExportTo ?? [],
    extensionProviders: providers.filter((entry) => typeof entry !== 'string'),
    unusableProviders: providers.filter((entry) => typeof entry === 'string'),
    minTlsVersion: raw.meshMTLS?.minProtocolVersion === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2',
    numTrustedProxies: raw.defaultConfig?.gatewayTopology?.numTrustedProxies ?? 0,
  };
}

function refuseMisspelt(value: PlainObject, at: Decoding): void {
  for (const key of Object.keys(value)) {
    if (NEIGHBOURS.has(key)) continue;
    const meant = suggest(key, MODELLED);
    if (meant !== undefined) at.keyFault(key, `unknown field ${quote(key)}; did you mean \`${meant}\`?`);
  }
}

/** The authorizer, or only the name where the provider is none that CUSTOM can use. */
function extAuthz(raw: RawProvider): ExtAuthzProvider | string {
  const usable = raw.envoyExtAuthzHttp ?? raw.envoyExtAuthzGrpc;
  if (usable === undefined || (raw.envoyExtAuthzHttp !== undefined && raw.envoyExtAuthzGrpc !== undefined)) {
    return raw.name;
  }
  return {
    name: raw.name,
    protocol: raw.envoyExtAuthzHttp === undefined ? 'grpc' : 'http',
    service: usable.service,
    port: usable.port,
    failOpen: usable.failOpen ?? false,
    statusOnError: usable.statusOnError === undefined ? HTTP_FORBIDDEN : Number(usable.statusOnError),
  };
}
