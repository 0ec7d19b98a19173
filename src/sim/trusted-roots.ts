/**
 * What a sidecar has been told to trust. Istio hands every sidecar one list of roots for all trust domains that the mesh
 * configuration accepts at that moment; the roots of federated meshes vouch for their own trust domain alone.
 *
 * The list is as old as the sidecar's last news of it; the accepted trust domains are pushed with the configuration.
 * @module
 */
import { type Certificate, TrustBundleSet } from '../pki/index.ts';

/** Immutable: who holds the same object trusts the same roots. */
export interface TrustedRoots {
  readonly roots: readonly Certificate[];
  /** Roots of other meshes, by trust domain. */
  readonly federated: Readonly<Record<string, readonly Certificate[]>>;
}

/** Of a sidecar that never heard from the CA. */
export const NO_ROOTS: TrustedRoots = { roots: [], federated: {} };

/** Bundles for the accepted trust domains, made once for each list of roots. */
export class BundleComposer {
  readonly accepted: readonly string[];
  readonly #made = new WeakMap<TrustedRoots, TrustBundleSet>();

  constructor(accepted: readonly string[]) {
    this.accepted = [...new Set(accepted)];
  }

  compose(trusted: TrustedRoots): TrustBundleSet {
    let bundles = this.#made.get(trusted);
    if (bundles === undefined) {
      const own = Object.fromEntries(this.accepted.map((domain) => [domain, trusted.roots]));
      bundles = TrustBundleSet.of({ ...own, ...trusted.federated });
      this.#made.set(trusted, bundles);
    }
    return bundles;
  }
}
