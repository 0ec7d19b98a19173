/**
 * Validation of a SPIFFE X.509-SVID: the leaf's profile, then path validation against the bundle of the leaf's own trust
 * domain, then the profile of whoever signed.
 *
 * Where the specification leaves room: an extended key usage only has to hold the peer's purpose (the specification
 * tells issuers to set both); a signing certificate's SPIFFE ID may be of another trust domain (SHOULD in §3.2), since
 * the leaf's domain alone chooses the roots; the criticality of the key usage is left to issuers. A leaf that stands in
 * the bundle itself proves nothing: a bundle holds authorities.
 *
 * Source: SPIFFE X509-SVID §2 to §5.
 * @module
 */
import type { Instant } from '../core/index.ts';
import { parseSpiffeId, pathOf, spiffeIdFault, trustDomainOf, type SpiffeId } from '../identity/index.ts';
import type { Certificate } from './certificate.ts';
import { EXTENSION } from './der/oids.ts';
import { titleOf, type PeerPurpose } from './path-rules.ts';
import type { RevocationList } from './revocation.ts';
import type { TrustBundleSet } from './trust-bundle.ts';
import { refusal, verifyChain, type VerifyLimits, type VerifyRefusal } from './verify-chain.ts';
import { fault, type Fault, type SvidReason } from './verify-reasons.ts';

export interface SvidOptions {
  readonly bundles: TrustBundleSet;
  readonly at: Instant;
  /** The role of the peer that presents the SVID. */
  readonly purpose: PeerPurpose;
  readonly crls?: readonly RevocationList[];
  readonly strict?: boolean;
  readonly limits?: Partial<VerifyLimits>;
}

export interface VerifiedSvid {
  readonly ok: true;
  readonly spiffeId: SpiffeId;
  readonly chain: readonly Certificate[];
  readonly validFrom: Instant;
  readonly validUntil: Instant;
}

export type SvidResult = VerifiedSvid | VerifyRefusal<SvidReason>;

/**
 * Validates the SVID a peer presented.
 * @param presented leaf first; the order of the rest does not matter
 */
export function verifySvid(presented: readonly Certificate[], options: SvidOptions): SvidResult {
  const { bundles, ...chainOptions } = options;
  const [leaf] = presented;
  if (leaf === undefined) return refusal(fault('empty_chain', 'no certificate was presented'));
  const identity = readIdentity(leaf);
  if ('reason' in identity) return refusal(identity);
  const { spiffeId } = identity;
  const trustDomain = trustDomainOf(spiffeId);
  const broken = svidLeafFault(leaf);
  if (broken !== undefined) return refusal(broken);
  if (!bundles.has(trustDomain)) {
    return refusal(fault('svid_unknown_trust_domain', `no bundle for trust domain \`${trustDomain}\``));
  }
  const result = verifyChain(presented, { ...chainOptions, roots: bundles.roots(trustDomain) });
  if (!result.ok) return result;
  const [, ...authorities] = result.chain;
  if (authorities.length === 0)
    return refusal(fault('untrusted_root', 'the leaf stands in the bundle itself, without an issuer'));
  const signing = signingFault(authorities);
  if (signing !== undefined) return refusal(signing);
  return { ok: true, spiffeId, chain: result.chain, validFrom: result.validFrom, validUntil: result.validUntil };
}

function readIdentity(leaf: Certificate): { readonly spiffeId: SpiffeId } | Fault<SvidReason> {
  const [uri, ...more] = leaf.uriSans;
  if (uri === undefined) return fault('svid_no_uri', `${titleOf(leaf)} has no URI among its alternative names`);
  if (more.length > 0) return fault('svid_several_uris', `${titleOf(leaf)} has ${more.length + 1} URIs`);
  const wrong = spiffeIdFault(uri);
  if (wrong !== undefined) return fault('svid_invalid_id', `\`${uri.slice(0, 200)}\`: ${wrong}`);
  const spiffeId = parseSpiffeId(uri);
  return pathOf(spiffeId) === ''
    ? fault('svid_no_path', `\`${spiffeId}\` names a trust domain, not a workload`)
    : { spiffeId };
}

function svidLeafFault(leaf: Certificate): Fault<SvidReason> | undefined {
  const { keyUsage, all } = leaf.extensions;
  const who = titleOf(leaf);
  if (leaf.isCa) return fault('svid_leaf_is_ca', `${who} is a certificate authority`);
  if (keyUsage?.has('keyCertSign') || keyUsage?.has('cRLSign')) {
    return fault('svid_leaf_can_sign', `${who} may sign certificates or revocation lists`);
  }
  if (!keyUsage?.has('digitalSignature')) {
    return fault('svid_key_usage', `${who} has ${keyUsage ? 'no digitalSignature' : 'no key usage'}`);
  }
  const critical = all.some((e) => e.oid === EXTENSION.subjectAltName && e.critical);
  if (leaf.subject.isEmpty && !critical)
    return fault('svid_san_not_critical', `${who} has neither subject nor critical names`);
  return undefined;
}

/** A signing certificate need not be an SVID; if it is one, its ID names a trust domain (X509-SVID §3.2). */
function signingFault(authorities: readonly Certificate[]): Fault<SvidReason> | undefined {
  for (const authority of authorities) {
    const ids = authority.uriSans.filter((uri) => /^spiffe:/i.test(uri));
    const [id] = ids;
    if (id === undefined) continue;
    if (ids.length > 1) return fault('svid_signing_id', `${titleOf(authority)} has ${ids.length} SPIFFE IDs`);
    const wrong = spiffeIdFault(id);
    if (wrong !== undefined) return fault('svid_signing_id', `\`${id.slice(0, 200)}\`: ${wrong}`);
    if (pathOf(parseSpiffeId(id)) !== '') return fault('svid_signing_id', `\`${id}\` has a path`);
  }
  return undefined;
}
