/**
 * security.istio.io PeerAuthentication.
 * Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
 * @module
 */
import type { Resource, WorkloadSelector } from './resource.ts';

export type MutualTlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerAuthenticationSpec {
  readonly selector?: WorkloadSelector;
  readonly mtls?: { readonly mode?: MutualTlsMode };
  /** Keyed by workload port (a decimal string). */
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: MutualTlsMode }>>;
}

export type PeerAuthentication = Resource<'PeerAuthentication', PeerAuthenticationSpec>;
