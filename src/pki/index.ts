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
export * from './certificate-authority.ts';
export * from './csr.ts';
export * from './foreign.ts';
export * from './keys.ts';
export * from './rotation-schedule.ts';
export * from './rotation.ts';
export * from './svid.ts';
