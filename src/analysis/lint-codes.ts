/**
 * Every lint: its code, how bad it is, the codes other tools give the same finding, and what it says in general.
 * `docs/reference/lints.md` documents each of them.
 * @module
 */

export type LintSeverity = 'error' | 'warning' | 'info';

export interface LintRule {
  readonly severity: LintSeverity;
  /** Codes of istioctl (`IST…`) and Kiali (`KIA…`) for the same thing. */
  readonly aliases: readonly string[];
  readonly title: string;
}

/** Severity, title, aliases. */
export const LINTS = {
  MSH001: ['warning', 'Istio accepts the resource with a warning', 'IST0133'],

  MSH010: ['error', 'several PeerAuthentications for one namespace or the mesh', 'KIA0002'],
  MSH011: ['error', 'several PeerAuthentications for one workload', 'KIA0003'],
  MSH012: ['warning', 'the selector matches no workload', 'KIA0004', 'IST0127'],
  MSH013: ['error', 'a PeerAuthentication with a selector in the root namespace is ignored'],
  MSH014: ['error', 'portLevelMtls names a Service port instead of the workload port'],
  MSH015: ['warning', 'portLevelMtls names a port that no selected workload has'],
  MSH016: ['error', 'clients send plaintext because the namespace is DISABLE, but the workload is STRICT'],
  MSH017: ['info', 'plaintext is accepted'],
  MSH018: ['warning', 'the policy has no effect on a workload without a sidecar'],

  MSH020: ['warning', 'a source namespace does not exist', 'KIA0101', 'IST0101'],
  MSH021: ['warning', 'the service account of a principal does not exist', 'KIA0106'],
  MSH022: ['warning', 'a trust domain is none of the mesh', 'KIA0108'],
  MSH024: ['info', 'no ALLOW policy covers the workload', 'KIA1301'],
  MSH025: ['warning', 'a host is in no registry', 'KIA0104'],
  MSH026: ['info', 'an ALLOW policy without rules denies everything'],
  MSH027: ['warning', 'an ALLOW rule without conditions allows everything'],
  MSH028: ['error', 'the provider of a CUSTOM policy does not exist or cannot authorize'],
  MSH029: ['info', 'a policy with targetRefs is ignored by sidecars', 'IST0167'],

  MSH030: ['error', 'a principal is written with spiffe://'],
  MSH031: ['error', 'a method that no request has', 'KIA0102'],
  MSH032: ['error', 'an SNI value with capitals never matches'],
  MSH033: ['error', 'a Service port instead of the workload port'],
  MSH034: ['warning', 'a port that no selected workload has'],
  MSH035: ['warning', 'an asterisk in the middle is a literal character'],
  MSH036: ['warning', 'a host without a port does not match a Host header with one'],
  MSH037: ['error', 'cluster.local is only translated in full principals'],
  MSH038: ['error', 'a path that no request has'],
  MSH039: ['warning', 'a request principal without a slash matches no subject'],
  MSH040: ['warning', 'token attributes without a RequestAuthentication'],
  MSH041: ['error', 'a claim split into words is compared with several'],
  MSH042: ['warning', 'the header of a validated token is gone before policies look'],

  MSH050: ['error', 'identities on a port where mutual TLS is off', 'KIA0105'],
  MSH051: ['error', 'a DENY by identity that plaintext gets around'],
  MSH052: ['warning', 'an ALLOW by negation that plaintext satisfies'],
  MSH053: ['warning', 'an ALLOW rule with HTTP attributes is dropped on TCP ports'],
  MSH054: ['warning', 'a DENY rule with HTTP attributes widens on TCP ports'],
  MSH055: ['warning', 'the address in remoteIpBlocks is one the caller can choose'],
  MSH056: ['info', 'a DENY of an exact path is easy to miss'],
  MSH060: ['warning', 'from and to as separate rules'],

  MSH070: ['warning', 'the host of a DestinationRule is in no registry', 'IST0174', 'KIA0202'],
  MSH071: ['error', 'a subset selects no Pod', 'IST0173', 'KIA0203'],
  MSH072: ['warning', 'TLS without a CA of its own', 'IST0128'],
  MSH073: ['warning', 'TLS on a port without a CA of its own', 'IST0129'],
  MSH074: ['error', 'the client is told DISABLE, but the server is STRICT', 'KIA0207', 'KIA0208'],
  MSH075: ['error', 'ISTIO_MUTUAL towards a workload without a sidecar'],
  MSH076: ['error', 'SIMPLE or MUTUAL towards a port whose server is PERMISSIVE'],
  MSH077: ['warning', 'a DestinationRule in a namespace where nobody looks'],
  MSH078: ['warning', 'a port entry drops the TLS settings above it'],
  MSH079: ['error', 'a port entry for a port the Service does not have'],
  MSH080: ['error', 'STRICT without auto mTLS and without a DestinationRule', 'KIA0401', 'KIA0501'],
  MSH081: ['error', 'credentialName without a workload selector is plaintext on sidecars', 'IST0128', 'IST0129'],
  MSH082: ['error', 'the client is told ISTIO_MUTUAL, but the server is DISABLE', 'KIA0505', 'KIA0506'],

  MSH090: ['info', 'a namespace is not injected', 'IST0102'],
  MSH091: ['info', 'a port name without a protocol is sniffed', 'IST0118', 'KIA0601'],
  MSH092: ['warning', 'Services give one workload port different protocols', 'IST0116'],
  MSH093: ['warning', 'a target port that no selected workload has', 'KIA0701'],
  MSH094: ['warning', 'a namespace joins the mesh in more than one way', 'IST0123'],
  MSH095: ['info', 'a Service selects no workload'],
  MSH096: ['info', 'the injection annotation is deprecated', 'IST0135'],
  MSH097: ['warning', 'the injection annotation is never read'],
  MSH098: ['warning', 'Services give one workload port different Service ports', 'IST0137'],
  MSH099: ['warning', 'ServiceEntries give one host and port different protocols', 'IST0177'],

  MSH100: ['warning', 'a RequestAuthentication alone lets requests without a token in'],
  MSH112: ['warning', 'a workload runs as the user of the sidecar', 'IST0144'],
  MSH113: ['warning', 'a selector picks a proxy of the Gateway API', 'IST0166'],
  MSH110: ['error', 'several Sidecars select one workload', 'IST0110'],
  MSH111: ['error', 'several Sidecars without a selector in one namespace', 'IST0111'],
} as const;

export type LintCode = keyof typeof LINTS;

export function lintRule(code: LintCode): LintRule {
  const [severity, title, ...aliases] = LINTS[code];
  return { severity, title, aliases };
}
