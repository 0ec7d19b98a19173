/**
 * The rules of path validation that need no search: what one certificate must be, and what an issuer may stand above.
 *
 * Every certificate of a path is held to them, the root too, as OpenSSL does; RFC 5280 would take a root's name and key
 * on trust. Extended key usage narrows along the path (OpenSSL, Go), which RFC 5280 leaves open.
 *
 * Not modelled: certificate policies, proxy certificates and the address blocks of RFC 3779. A certificate that would
 * need them is refused.
 *
 * Source: RFC 5280 §4.1, §4.2, §6.1.3, §6.1.4; OpenSSL's `-purpose sslserver` and `sslclient`.
 * @module
 */
import { formatInstant, type Instant } from '../core/index.ts';
import type { Certificate } from './certificate.ts';
import { EXTENSION, PURPOSE } from './der/oids.ts';
import { judgeNames, type ComparisonBudget } from './name-constraints.ts';
import { keyFault } from './signature.ts';
import { fault, type Fault } from './verify-reasons.ts';

/** The role of the peer that presents the leaf. */
export type PeerPurpose = 'server' | 'client';

export interface RuleContext {
  readonly at: Instant;
  readonly purpose: PeerPurpose;
  /** Hold certificates to the rules for issuers as well, like `openssl verify -x509_strict`. */
  readonly strict: boolean;
  readonly budget: ComparisonBudget;
}

/** Critical extensions that are processed, or whose meaning cannot make a path invalid here. */
const HANDLED: ReadonlySet<string> = new Set([
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extKeyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.nameConstraints,
  EXTENSION.netscapeCertType,
  // Where to find revocation lists: they are handed in.
  EXTENSION.crlDistributionPoints,
  // Without an explicit policy being required, policies restrict nothing (RFC 5280 §6.1.3 (f)).
  EXTENSION.certificatePolicies,
]);
/** Extensions that change what a path means even where they are not critical. */
const REFUSED: ReadonlySet<string> = new Set([
  EXTENSION.policyConstraints,
  EXTENSION.proxyCertInfo,
  EXTENSION.ipAddressBlocks,
  EXTENSION.autonomousSystems,
]);

const SERIAL_BYTES_MAX = 20;
/** Bits of Netscape's certificate type. */
const NETSCAPE_BIT: Readonly<Record<PeerPurpose, number>> = { client: 0x80, server: 0x40 };

/** What is wrong with a leaf by itself, or nothing. */
export function leafFault(leaf: Certificate, context: RuleContext): Fault | undefined {
  return (
    certificateFault(leaf, context) ?? leafUsageFault(leaf, context) ?? (context.strict ? strictFault(leaf) : undefined)
  );
}

/**
 * What is wrong with `issuer` above `path`, or nothing.
 * @param path leaf first, without the issuer
 */
export function issuerFault(
  issuer: Certificate,
  path: readonly Certificate[],
  context: RuleContext,
): Fault | undefined {
  return (
    certificateFault(issuer, context) ??
    authorityFault(issuer, path) ??
    purposeFault(issuer, context.purpose) ??
    nameFault(issuer, path, context.budget) ??
    (context.strict ? strictFault(issuer) : undefined)
  );
}

/** Rules for every certificate of a path. */
function certificateFault(certificate: Certificate, { at }: RuleContext): Fault | undefined {
  if (at < certificate.notBefore) {
    return fault('not_yet_valid', `${titleOf(certificate)} is valid from ${formatInstant(certificate.notBefore)}`);
  }
  if (at > certificate.notAfter) {
    return fault('expired', `${titleOf(certificate)} expired at ${formatInstant(certificate.notAfter)}`);
  }
  for (const { oid, critical } of certificate.extensions.all) {
    if (REFUSED.has(oid) || (critical && !HANDLED.has(oid))) {
      return fault('unhandled_critical_extension', `extension ${oid} of ${titleOf(certificate)}`);
    }
  }
  return profileFault(certificate) ?? titled(keyFault(certificate), certificate);
}

function profileFault(certificate: Certificate): Fault | undefined {
  const { version, serialBytes, issuer, extensions } = certificate;
  if (version !== 3) return fault('certificate_profile', `${titleOf(certificate)} is of version ${version}`);
  if (issuer.isEmpty) return fault('certificate_profile', `${titleOf(certificate)} names no issuer`);
  if (certificate.isCa && certificate.subject.isEmpty)
    return fault('certificate_profile', 'a certificate authority without a name');
  if (extensions.nameConstraints && !certificate.isCa) {
    return fault('certificate_profile', `${titleOf(certificate)} is no certificate authority and has name constraints`);
  }
  // A root's own serial number identifies nothing, and well-known roots have 0.
  if (certificate.isSelfIssued && certificate.isCa) return undefined;
  if (serialBytes.length > SERIAL_BYTES_MAX)
    return fault('certificate_profile', `${titleOf(certificate)} has a serial number of ${serialBytes.length} bytes`);
  if (certificate.serial === '00') return fault('certificate_profile', `${titleOf(certificate)} has serial number 0`);
  return undefined;
}

function leafUsageFault(leaf: Certificate, { purpose }: RuleContext): Fault | undefined {
  const { keyUsage, netscapeCertType } = leaf.extensions;
  if (keyUsage?.has('keyCertSign') && !leaf.isCa) {
    return fault('key_usage', `${titleOf(leaf)} has keyCertSign and is no certificate authority`);
  }
  if (keyUsage) {
    // What the peer's role in a handshake may need, as OpenSSL's purposes have it.
    const usable =
      keyUsage.has('digitalSignature') ||
      keyUsage.has('keyAgreement') ||
      (purpose === 'server' && keyUsage.has('keyEncipherment'));
    if (!usable) return fault('key_usage', `${titleOf(leaf)} has no usage for a TLS ${purpose}`);
  }
  if (netscapeCertType !== undefined && (netscapeCertType & NETSCAPE_BIT[purpose]) === 0) {
    return fault('extended_key_usage', `${titleOf(leaf)} has a Netscape certificate type without TLS ${purpose}`);
  }
  return purposeFault(leaf, purpose);
}

function purposeFault(certificate: Certificate, purpose: PeerPurpose): Fault | undefined {
  const wanted = purpose === 'server' ? PURPOSE.serverAuth : PURPOSE.clientAuth;
  const purposes = certificate.extensions.extendedKeyUsage;
  if (purposes === undefined || purposes.includes(wanted)) return undefined;
  return fault('extended_key_usage', `${titleOf(certificate)} is not for TLS ${purpose} authentication`);
}

function authorityFault(issuer: Certificate, path: readonly Certificate[]): Fault | undefined {
  if (!issuer.isCa) return fault('not_a_ca', `${titleOf(issuer)} is no certificate authority`);
  const { keyUsage, basicConstraints } = issuer.extensions;
  if (keyUsage && !keyUsage.has('keyCertSign')) return fault('key_usage', `${titleOf(issuer)} has no keyCertSign`);
  const limit = basicConstraints?.pathLength;
  const below = path.slice(1).filter((certificate) => !certificate.isSelfIssued).length;
  if (limit !== undefined && below > limit) {
    return fault(
      'path_length_exceeded',
      `${titleOf(issuer)} allows ${limit} intermediates below it, there are ${below}`,
    );
  }
  return undefined;
}

function nameFault(issuer: Certificate, path: readonly Certificate[], budget: ComparisonBudget): Fault | undefined {
  const constraints = issuer.extensions.nameConstraints;
  if (constraints === undefined) return undefined;
  for (const [depth, certificate] of path.entries()) {
    const leaf = depth === 0;
    // Self-issued intermediates are exempt (RFC 5280 §6.1.3 (b)), the leaf never is.
    if (!leaf && certificate.isSelfIssued) continue;
    const verdict = judgeNames(constraints, { certificate, leaf }, budget);
    if (verdict === 'budget') return fault('work_limit', 'too many name comparisons');
    if (verdict !== 'within') return fault('name_constraints', `${verdict.violation} (${titleOf(issuer)})`);
  }
  return undefined;
}

/** Rules for issuers, which mature validators leave to linters. */
function strictFault(certificate: Certificate): Fault | undefined {
  const { extensions, subject } = certificate;
  const isCritical = (oid: string): boolean => extensions.all.some((e) => e.oid === oid && e.critical);
  if (certificate.isCa && !isCritical(EXTENSION.basicConstraints)) {
    return fault('certificate_profile', `basic constraints of ${titleOf(certificate)} are not critical`);
  }
  if (extensions.nameConstraints && !isCritical(EXTENSION.nameConstraints)) {
    return fault('certificate_profile', `name constraints of ${titleOf(certificate)} are not critical`);
  }
  if (certificate.isCa && extensions.keyUsage === undefined)
    return fault('certificate_profile', `${titleOf(certificate)} has no key usage`);
  if (certificate.isCa && extensions.subjectKeyId === undefined) {
    return fault('certificate_profile', `${titleOf(certificate)} has no subject key identifier`);
  }
  if (!certificate.isSelfIssued && extensions.authorityKeyId?.keyId === undefined) {
    return fault('certificate_profile', `${titleOf(certificate)} has no authority key identifier`);
  }
  if (subject.isEmpty && !isCritical(EXTENSION.subjectAltName)) {
    return fault('certificate_profile', 'a certificate without a subject needs critical alternative names');
  }
  return undefined;
}

/** How messages name a certificate. */
export function titleOf(certificate: Certificate): string {
  const [uri] = certificate.uriSans;
  const name = certificate.subject.isEmpty ? (uri ?? `serial ${certificate.serial}`) : certificate.subject.toString();
  return `\`${name.length > 120 ? `${name.slice(0, 120)}…` : name}\``;
}

function titled(found: Fault | undefined, certificate: Certificate): Fault | undefined {
  return found && fault(found.reason, `${found.detail} (${titleOf(certificate)})`);
}
