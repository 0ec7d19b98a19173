/**
 * Encodes the extensions certificates, requests and revocation lists of a mesh carry. Each function gives one whole
 * `Extension`; constants are encoded once.
 *
 * Source: RFC 5280 §4.2.1 and §5.2; SPIFFE X509-SVID §4 and appendix A.
 * @module
 */
import { EXTENSION, PURPOSE } from './der/oids.ts';
import {
  derBoolean,
  derContextPrimitive,
  derContextText,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derUnsigned,
} from './der/writer.ts';

/** Bits of KeyUsage, by their numbers (RFC 5280 §4.2.1.3). */
export const KEY_USAGE_BIT = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const;
export type KeyUsageName = keyof typeof KEY_USAGE_BIT;

const TRUE = derBoolean(true);

/** Any extension around its DER value. */
export function extension(id: string, value: Uint8Array, critical: boolean): Uint8Array {
  return critical
    ? derSequence(derOid(id), TRUE, derOctetString(value))
    : derSequence(derOid(id), derOctetString(value));
}

export function basicConstraints(constraints: { readonly ca: boolean; readonly pathLength?: number }): Uint8Array {
  const { ca, pathLength } = constraints;
  // DER leaves out cA where it has its default, FALSE.
  const value = !ca
    ? derSequence()
    : pathLength === undefined
      ? derSequence(TRUE)
      : derSequence(TRUE, derInteger(pathLength));
  return extension(EXTENSION.basicConstraints, value, true);
}

/** Critical, as SPIFFE X509-SVID §4.3 demands. */
export function keyUsage(usages: readonly KeyUsageName[]): Uint8Array {
  return extension(EXTENSION.keyUsage, derNamedBits(usages.map((usage) => KEY_USAGE_BIT[usage])), true);
}

export function extendedKeyUsage(purposes: readonly (keyof typeof PURPOSE)[]): Uint8Array {
  return extension(EXTENSION.extKeyUsage, derSequence(...purposes.map((purpose) => derOid(PURPOSE[purpose]))), false);
}

export interface AlternativeNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
}

const DNS_NAME = 2;
const URI = 6;
const SUBJECT_ALT_NAME = derOid(EXTENSION.subjectAltName);

/** Critical where the subject is empty (RFC 5280 §4.1.2.6). Names are IA5 text: the caller has checked them. */
export function subjectAltName({ uris = [], dnsNames = [] }: AlternativeNames, critical: boolean): Uint8Array {
  const names = derSequence(
    ...dnsNames.map((name) => derContextText(DNS_NAME, name)),
    ...uris.map((uri) => derContextText(URI, uri)),
  );
  return critical
    ? derSequence(SUBJECT_ALT_NAME, TRUE, derOctetString(names))
    : derSequence(SUBJECT_ALT_NAME, derOctetString(names));
}

const SUBJECT_KEY_IDENTIFIER = derOid(EXTENSION.subjectKeyIdentifier);

export function subjectKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return derSequence(SUBJECT_KEY_IDENTIFIER, derOctetString(derOctetString(keyIdentifier)));
}

/** The key alone, not issuer and serial: so a renewed or cross-signed issuer still fits (RFC 5280 §4.2.1.1). */
export function authorityKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return extension(EXTENSION.authorityKeyIdentifier, derSequence(derContextPrimitive(0, keyIdentifier)), false);
}

export function crlNumber(number: number): Uint8Array {
  return extension(EXTENSION.crlNumber, derInteger(number), false);
}

/** A serial number as INTEGER, from its hexadecimal form. */
export function serialInteger(serial: string): Uint8Array {
  return derUnsigned(Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, 'hex'));
}
