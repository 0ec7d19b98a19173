/**
 * What a simulation is made of.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import type { KeyAlgorithm, RotationPolicy } from '../pki/index.ts';
import type { ExternalAuthorizer, JwksSource } from '../policy/index.ts';
import type { ApplicationTable } from './application-port.ts';
import type { CsrPath } from './certificate-agent.ts';
import type { CertificateFiles } from './client-trust.ts';
import type { GatewayTable } from './gateway.ts';

export interface SimulationOptions {
  readonly config: MeshConfig;
  readonly seed: string;
  readonly start: Instant;
  readonly key: KeyAlgorithm;
  /** Keys and certificates come from the seed: worlds repeat byte for byte with Ed25519, and are worthless as secrets. */
  readonly reproducibleKeys: boolean;
  readonly rotation?: Partial<RotationPolicy>;
  readonly ca?: {
    readonly rootTtlMs?: number;
    /** How old the root is at the start. */
    readonly rootAgeMs?: number;
    /** Renew the root, with its key, before it expires. @defaultValue true, as istiod does */
    readonly renewRoot?: boolean;
  };
  /** What is special about single workloads, by `namespace/workload`. */
  readonly workloads?: Readonly<Record<string, { readonly clockSkewMs?: number; readonly csr?: CsrPath }>>;
  /** Applications by `namespace/workload`, or `namespace/workload:port`; an echo where none is given. */
  readonly applications?: ApplicationTable;
  /** Who answers outside the mesh, by `host` or `host:port`. */
  readonly outside?: ApplicationTable;
  /** Ports that face the outside, by `namespace/workload:port`. */
  readonly gateways?: GatewayTable;
  /** Files that DestinationRules name: PEM by path. */
  readonly files?: CertificateFiles;
  /** PEM certificates that stand for the operating system's roots. @defaultValue none */
  readonly systemRoots?: readonly string[];
  /** Answers for the providers of CUSTOM policies. */
  readonly externalAuthorizer?: ExternalAuthorizer;
  /** Key sets of RequestAuthentications that name a URI. */
  readonly jwks?: JwksSource;
  /** Loopback ports by `namespace/workload:port`, those for calls out by `namespace/workload`; else any free one. */
  readonly listen?: Readonly<Record<string, number>>;
}
