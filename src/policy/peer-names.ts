/**
 * Which names a verified certificate must carry: a client's secure naming and a server's trust-domain check. The
 * chain itself is judged elsewhere; both the wire and the model ask here.
 *
 * Source: https://istio.io/latest/docs/concepts/security/#secure-naming; Envoy's `match_typed_subject_alt_names`,
 * `auto_san_validation`.
 * @module
 */
import type { MeshSettings } from '../istio/mesh-settings.ts';
import type { TlsClient } from './client-tls.ts';

/**
 * Whether a server's certificate may stand for the service.
 * @param names the URI, DNS and IP names of the certificate
 * @param requestHost Host or `:authority`; absent on TCP, where a check against it is left out
 */
export function acceptsServerNames(
  tls: Pick<TlsClient, 'subjectAltNames' | 'matchesHost' | 'trust'>,
  names: readonly string[],
  requestHost?: string,
): boolean {
  if (tls.trust.kind === 'none') return true;
  if (tls.matchesHost && requestHost !== undefined && !matchesHost(names, requestHost)) return false;
  return tls.subjectAltNames.length === 0 || tls.subjectAltNames.some((name) => names.includes(name));
}

/** Trust domains whose clients a server lets into the handshake. */
export function acceptedTrustDomains(settings: MeshSettings): readonly string[] {
  return [...new Set([settings.trustDomain, ...settings.trustDomainAliases, ...settings.caTrustDomains])];
}

/** Whether some name of a client's certificate lies in one of the trust domains. */
export function acceptsClientNames(trustDomains: readonly string[], names: readonly string[]): boolean {
  return names.some((name) => trustDomains.some((domain) => name.startsWith(`spiffe://${domain}/`)));
}

/** RFC 6125 as Envoy applies it: a wildcard stands for exactly one left-most label. */
function matchesHost(names: readonly string[], requestHost: string): boolean {
  const host = requestHost.replace(/:\d+$/, '').toLowerCase();
  const dot = host.indexOf('.');
  const wildcard = dot > 0 ? `*${host.slice(dot)}` : undefined;
  return names.some((name) => {
    const lower = name.toLowerCase();
    return lower === host || lower === wildcard;
  });
}
