/**
 * Certificates: reading, validating at an instant, issuing and rotating them. Nothing here opens a socket or reads a
 * clock; time is an argument.
 * @module
 */
export { Certificate, type AlgorithmIdentifier } from './certificate.ts';
export type {
  AuthorityKeyIdentifier,
  BasicConstraints,
  Extensions,
  KeyUsage,
  NameConstraints,
  RawExtension,
} from './extensions.ts';
export type { GeneralName, GeneralNameKind } from './general-name.ts';
export { Name, type NameAttribute } from './name.ts';
export { decodePem, encodePem } from './pem.ts';
export { TrustBundle, TrustBundleSet } from './trust-bundle.ts';
export type { PeerPurpose } from './path-rules.ts';
export { RevocationList } from './revocation.ts';
export { SvidVerifier, type SvidVerifierOptions } from './svid-verifier.ts';
export {
  DEFAULT_VERIFY_LIMITS,
  verifyChain,
  type VerifiedChain,
  type VerifyLimits,
  type VerifyOptions,
  type VerifyRefusal,
  type VerifyResult,
} from './verify-chain.ts';
export { CHAIN_REASONS, SVID_REASONS, type SvidReason, type VerifyReason } from './verify-reasons.ts';
export { verifySvid, type SvidOptions, type SvidResult, type VerifiedSvid } from './verify-svid.ts';
export {
  CertificateAuthority,
  type IntermediateOptions,
  type RenewalOptions,
  type RootOptions,
  type SvidRequest,
} from './certificate-authority.ts';
export {
  buildCertificate,
  EMPTY_NAME,
  encodeName,
  type CertificateTemplate,
  type NameParts,
} from './certificate-builder.ts';
export type { CrlOptions, RevocationReason, RevokedCertificate } from './crl-builder.ts';
export { createCsr, verifyCsr, type Csr, type CsrSubject } from './csr.ts';
export { createForeignCertificate, type ForeignCertificate, type ForeignOptions } from './foreign.ts';
export {
  DEFAULT_KEY_ALGORITHM,
  generateKeyPair,
  KEY_ALGORITHMS,
  keyPairFromPem,
  type KeyAlgorithm,
  type KeyPair,
} from './keys.ts';
export {
  backoffDelayMs,
  DEFAULT_ROTATION_POLICY,
  rotationDelayMs,
  ROOT_GRACE_RATIO,
  rootRenewalDue,
  rotationPolicy,
  type BackoffPolicy,
  type RotationDelayOptions,
  type RotationPolicy,
  type RotationPolicyOptions,
} from './rotation-schedule.ts';
export {
  ROTATION_IDLE,
  ROTATION_REASONS,
  stepRotation,
  type HeldCertificate,
  type RotationContext,
  type RotationEffect,
  type RotationEvent,
  type RotationReason,
  type RotationState,
  type RotationStep,
} from './rotation.ts';
export {
  secretRows,
  secretsDump,
  type SecretDumpEntry,
  type SecretRow,
  type SecretsDump,
  type SecretSource,
} from './secret-view.ts';
export { certificatesToPem, issueSvid, svidOf, type IssueSvidOptions, type Svid } from './svid.ts';
export {
  CLOCK_SKEW_GRACE_MS,
  DEFAULT_LEAF_TTL_MS,
  DEFAULT_ROOT_TTL_MS,
  MAX_LEAF_TTL_MS,
  type ValidityWindow,
} from './validity.ts';
