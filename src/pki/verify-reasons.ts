/**
 * Why a chain is refused: a closed list of stable codes. `docs/reference/x509-reasons.md` explains each, and a test
 * holds the two lists together.
 * @module
 */

/** Reasons of path validation. */
export const CHAIN_REASONS = {
  empty_chain: 'no certificate was presented',
  malformed: 'a presented certificate is not strict DER, or one of its extensions is not well-formed',
  chain_too_large: 'more certificates or bytes were presented than the limits allow',
  chain_too_long: 'every path to a root is longer than the limits allow',
  work_limit: 'the search for a path was given up at the limit of signature checks or name comparisons',
  untrusted_root: 'no path of issuers leads to a trusted root',
  bad_signature: 'a signature on the way to a trusted root does not verify',
  expired: 'a certificate of the path has expired',
  not_yet_valid: 'a certificate of the path is not valid yet',
  not_a_ca: 'an issuer of the path is not a certificate authority',
  path_length_exceeded: 'more intermediates follow a certificate authority than its path length allows',
  key_usage: 'the key usage of a certificate does not allow what the path needs of it',
  extended_key_usage: 'the extended key usage of a certificate excludes the purpose',
  name_constraints: 'a name lies outside the name constraints of an issuer, or the constraints cannot be applied',
  unhandled_critical_extension: 'a critical extension is unknown, or its rules are not implemented',
  unsupported_key: 'a public key is weak, malformed or of an unsupported kind',
  unsupported_signature: 'a signature algorithm is weak or unsupported',
  certificate_profile: 'a certificate breaks a rule of RFC 5280 for every certificate',
  revoked: 'a certificate of the path is on its issuer’s revocation list',
  revocation_unknown: 'no usable revocation list of the issuer is at hand',
} as const;

/** Further reasons of the SPIFFE X.509-SVID profile. */
export const SVID_REASONS = {
  svid_no_uri: 'the leaf has no URI among its alternative names',
  svid_several_uris: 'the leaf has more than one URI among its alternative names',
  svid_invalid_id: 'the leaf’s URI is not a SPIFFE ID',
  svid_no_path: 'the leaf’s SPIFFE ID has no path',
  svid_leaf_is_ca: 'the leaf is a certificate authority',
  svid_leaf_can_sign: 'the leaf’s key usage holds keyCertSign or cRLSign',
  svid_key_usage: 'the leaf’s key usage is missing or lacks digitalSignature',
  svid_san_not_critical: 'the leaf has no subject, and its alternative names are not critical',
  svid_unknown_trust_domain: 'there is no bundle for the leaf’s trust domain',
  svid_signing_id: 'a signing certificate’s SPIFFE ID is malformed, has a path, or is one of several',
} as const;

export type VerifyReason = keyof typeof CHAIN_REASONS;
export type SvidReason = VerifyReason | keyof typeof SVID_REASONS;

/** A reason with the particulars of this chain, for people. */
export interface Fault<R extends SvidReason = VerifyReason> {
  readonly reason: R;
  readonly detail: string;
}

/** A hostile certificate has names of any length; a line for people has not. */
const DETAIL_MAX = 600;

export function fault<R extends SvidReason>(reason: R, detail: string): Fault<R> {
  return { reason, detail: detail.length > DETAIL_MAX ? `${detail.slice(0, DETAIL_MAX)}…` : detail };
}
