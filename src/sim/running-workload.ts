/**
 * What runs for one workload: its certificate agent, its application, its listeners.
 * @module
 */
import type { SpiffeId } from '../identity/index.ts';
import type { Workload } from '../istio/index.ts';
import type { ApplicationPort } from './application-port.ts';
import type { CertificateAgent } from './certificate-agent.ts';
import type { ServerSidecar } from './server-sidecar.ts';

export interface RunningWorkload {
  readonly workload: Workload;
  /** `namespace/name` */
  readonly name: string;
  /** The Pod's virtual address. */
  readonly ip: string;
  /** The identity the configuration of now gives it; its certificate may still name another. */
  readonly spiffeId: SpiffeId;
  /** Absent: no sidecar. */
  readonly agent: CertificateAgent | undefined;
  /** What its container has behind a port. @throws MeshError for an application that cannot be used */
  application(port: number): ApplicationPort;
  /** Listeners by workload port; they open when they are first needed. */
  readonly ports: Map<number, Promise<ServerSidecar>>;
}

/** Pod addresses count up in the order of the manifests, in the range clusters like to use. */
export function podAddress(index: number): string {
  return `10.244.${index >> 8}.${(index & 255) + 1}`;
}
