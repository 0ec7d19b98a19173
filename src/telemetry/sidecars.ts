/**
 * Which workloads have a sidecar that reports. `mesh.started` says so; a workload it does not name counts as injected,
 * because only sidecars write most events. A caller without a workload is outside the mesh.
 * @module
 */
import type { MeshEvent, PeerRef } from '../core/index.ts';
import { keyOf } from './outcome.ts';

export class Sidecars {
  readonly #without = new Set<string>();

  add(event: MeshEvent): void {
    if (event.kind !== 'mesh.started') return;
    for (const workload of event.workloads) {
      if (workload.injected) this.#without.delete(keyOf(workload));
      else this.#without.add(keyOf(workload));
    }
  }

  /** Whether a sidecar stands beside this end. */
  has(peer: PeerRef): boolean {
    return peer.workload !== undefined && !this.#without.has(keyOf(peer.workload));
  }
}
