/**
 * What a side presents and how it judges the other: the two questions wire asks and does not answer itself.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { Instant } from '../core/index.ts';

/**
 * A certificate chain with its key. An `Svid` of pki is one; so is a pair of files of a DestinationRule in MUTUAL
 * mode. Secure contexts are cached per object: present the same object for as long as the identity is the same.
 */
export interface Credential {
  /** Leaf first, then intermediates, without the root: exactly what is sent. */
  readonly chain: readonly { readonly der: Uint8Array }[];
  readonly key: { readonly privateKey: KeyObject };
}

export type PeerVerdict =
  | {
      readonly ok: true;
      /** The SPIFFE URI that was proved; absent where the server's certificate names no workload (SIMPLE to a legacy host). */
      readonly principal?: string;
      readonly validUntil: Instant;
    }
  | { readonly ok: false; readonly reason: string; readonly detail: string };

/**
 * Judges a peer's chain as sent (DER, leaf first; never empty). Called in the synchronous turn in which the handshake
 * completes, on every connection, before one byte of application data is read or written.
 */
export type VerifyPeer = (chain: readonly Uint8Array[]) => PeerVerdict;

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsVersions {
  /** @defaultValue `TLSv1.2` */
  readonly minVersion?: TlsVersion;
  /** @defaultValue `TLSv1.3` */
  readonly maxVersion?: TlsVersion;
}
