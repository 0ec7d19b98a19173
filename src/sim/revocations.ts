/**
 * Revocation lists of the mesh's authorities, if it has any: Istio has none by default, and short lives instead.
 * The first revocation turns them on; from then on a peer without a usable list of its issuers is refused.
 * @module
 */
import { HOUR_MS, type Instant } from '../core/index.ts';
import { type CertificateAuthority, RevocationList, type RevokedCertificate } from '../pki/index.ts';

/** Lists live a day; they are published afresh well before. */
const REFRESH_MS: number = 12 * HOUR_MS;

export class Revocations {
  readonly #revoked: RevokedCertificate[] = [];
  readonly #serials = new Set<string>();
  #lists: readonly RevocationList[] | undefined;
  #publishedAt: Instant | undefined;
  #number = 0;

  /** Nothing is signed at once: lists are published when they are next asked for. */
  revoke(serial: string, at: Instant): void {
    this.#revoked.push({ serial, revokedAt: at, reason: 'keyCompromise' });
    this.#serials.add(serial);
    this.#publishedAt = undefined;
  }

  has(serial: string): boolean {
    return this.#serials.has(serial);
  }

  /** The lists of today; nothing while nothing was ever revoked. The same array as long as nothing changed. */
  lists(authorities: Iterable<CertificateAuthority>, at: Instant): readonly RevocationList[] | undefined {
    if (this.#revoked.length === 0) return undefined;
    const stale = this.#publishedAt === undefined || at - this.#publishedAt >= REFRESH_MS;
    if (stale || this.#lists === undefined) {
      this.#publishedAt = at;
      this.#number++;
      const valid = [...authorities].filter(({ certificate }) => withinLife(certificate, at));
      this.#lists = valid.map((authority) =>
        RevocationList.fromDer(authority.issueCrl({ at, number: this.#number, revoked: this.#revoked })),
      );
    }
    return this.#lists;
  }
}

function withinLife(
  { notBefore, notAfter }: { readonly notBefore: Instant; readonly notAfter: Instant },
  at: Instant,
): boolean {
  return notBefore <= at && at <= notAfter;
}
