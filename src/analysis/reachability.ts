/**
 * Which calls between workloads become possible or impossible because client and server no longer speak the same TLS.
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { Finding } from './diff.ts';

export function reachabilityFindings(_before: MeshConfig, _after: MeshConfig): readonly Finding[] {
  return [];
}
