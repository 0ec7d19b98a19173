/**
 * Builds certificates from parts already encoded. It enforces no profile: authorities do (`certificate-authority.ts`),
 * and a test or an adversary that needs a wrong certificate builds it here.
 *
 * Source: RFC 5280 §4.1.
 * @module
 */
import type { Instant } from '../core/index.ts';
import { ATTRIBUTE } from './der/oids.ts';
import { derContext, derInteger, derOid, derSequence, derSetOfOne, derTime, derUtf8String } from './der/writer.ts';
import { signatureIdentifierOf, signedDer, type Signer } from './signing.ts';

export interface CertificateTemplate {
  /** INTEGER, DER. */
  readonly serial: Uint8Array;
  /** Name, DER. */
  readonly issuer: Uint8Array;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** Name, DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Each an Extension, DER. */
  readonly extensions: readonly Uint8Array[];
}

const VERSION_3 = derContext(0, derInteger(2));

/** The signed certificate, DER. */
export function buildCertificate(template: CertificateTemplate, signer: Signer): Uint8Array {
  const { serial, issuer, notBefore, notAfter, subject, spki, extensions } = template;
  const tbs = derSequence(
    VERSION_3,
    serial,
    signatureIdentifierOf(signer.algorithm),
    issuer,
    derSequence(derTime(notBefore), derTime(notAfter)),
    subject,
    spki,
    derContext(3, derSequence(...extensions)),
  );
  return signedDer(tbs, signer);
}

export interface NameParts {
  readonly organization?: string;
  readonly commonName?: string;
}

/** A distinguished name, DER; without parts the empty name. */
export function encodeName({ organization, commonName }: NameParts): Uint8Array {
  const attributes: Uint8Array[] = [];
  if (organization !== undefined) attributes.push(encodeAttribute(ATTRIBUTE.organization, organization));
  if (commonName !== undefined) attributes.push(encodeAttribute(ATTRIBUTE.commonName, commonName));
  return derSequence(...attributes);
}

function encodeAttribute(type: string, text: string): Uint8Array {
  return derSetOfOne(derSequence(derOid(type), derUtf8String(text)));
}

/** The name of nobody: what an SVID has for a subject. */
export const EMPTY_NAME: Uint8Array = encodeName({});
