/**
 * Builds certificate revocation lists, version 2, complete and direct: one authority, all its revoked certificates.
 *
 * Not modelled: delta and indirect lists, distribution points.
 * Source: RFC 5280 §5.
 * @module
 */
import { addMs, DAY_MS, type Instant } from '../core/index.ts';
import { EXTENSION } from './der/oids.ts';
import { derContext, derEnumerated, derInteger, derSequence, derTime } from './der/writer.ts';
import { crlNumber, extension, serialInteger } from './extension-encoding.ts';
import { signatureIdentifierOf, signedDer, type Signer } from './signing.ts';

/** Reasons by their numbers (RFC 5280 §5.3.1); 7 is not used, 8 belongs to delta lists. */
const REASON_CODE = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;
export type RevocationReason = keyof typeof REASON_CODE;

export interface RevokedCertificate {
  /** Hexadecimal. */
  readonly serial: string;
  readonly revokedAt: Instant;
  readonly reason?: RevocationReason;
}

export interface CrlOptions {
  readonly at: Instant;
  /** Grows by one with every list of an authority. */
  readonly number: number;
  readonly revoked: readonly RevokedCertificate[];
  /** How long until the next list. @defaultValue 24 h */
  readonly nextUpdateMs?: number;
}

const VERSION_2 = derInteger(1);

/** The signed list, DER. */
export function buildCrl(
  options: CrlOptions,
  issuer: Uint8Array,
  authorityKeyIdentifier: Uint8Array,
  signer: Signer,
): Uint8Array {
  const { at, number, revoked, nextUpdateMs = DAY_MS } = options;
  const body = derSequence(
    VERSION_2,
    signatureIdentifierOf(signer.algorithm),
    issuer,
    derTime(at),
    derTime(addMs(at, nextUpdateMs)),
    // An empty list of revoked certificates must be left out.
    ...(revoked.length === 0 ? [] : [derSequence(...revoked.map(encodeRevoked))]),
    derContext(0, derSequence(authorityKeyIdentifier, crlNumber(number))),
  );
  return signedDer(body, signer);
}

function encodeRevoked({ serial, revokedAt, reason }: RevokedCertificate): Uint8Array {
  const parts = [serialInteger(serial), derTime(revokedAt)];
  // §5.3.1: rather no reason than `unspecified`.
  if (reason !== undefined && reason !== 'unspecified') {
    parts.push(derSequence(extension(EXTENSION.crlReason, derEnumerated(REASON_CODE[reason]), false)));
  }
  return derSequence(...parts);
}
