/**
 * What the other end will think of a certificate, from names, dates and key identifiers alone: the model twin of path
 * validation. No signature is checked.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { Certificate, Svid } from '../pki/index.ts';
import type { CertificateFacts } from '../policy/index.ts';
import type { MeshCa } from './mesh-ca.ts';
import type { RunningWorkload } from './running-workload.ts';
import type { TrustedRoots } from './trusted-roots.ts';

/** Who judges: what its clock shows, the roots it holds. */
export interface Judge {
  readonly at: Instant;
  readonly trusted: TrustedRoots;
}

/** A workload with a sidecar judges by its own clock and roots; anyone else by the mesh's. */
export function judgeOf(running: RunningWorkload | undefined, ca: MeshCa, now: Instant): Judge {
  const { agent } = running ?? {};
  return agent === undefined ? { at: now, trusted: ca.trusted } : { at: agent.now(), trusted: agent.trusted };
}

/** Roots by their keys: a renewed root stands for the one before it. */
export function anchorsOf({ trusted }: Judge): readonly string[] {
  return trusted.roots.map(keyOf);
}

/** The key of the root that a chain leads to. */
export function rootKeyOf(chain: readonly Certificate[]): string {
  return chain.at(-1)?.extensions.authorityKeyId?.keyId ?? '';
}

export function certificateFacts(svid: Svid, judge: Judge, ca: MeshCa): CertificateFacts {
  const root = rootKeyOf(svid.chain);
  const roots = judge.trusted.roots.filter((known) => keyOf(known) === root);
  const valid = roots.find((known) => datesOf(known, judge.at) === 'valid') ?? roots[0];
  const path = valid === undefined ? svid.chain : [...svid.chain, valid];
  const wrong = path.map((certificate) => datesOf(certificate, judge.at)).find((dates) => dates !== 'valid');
  return { names: [svid.spiffeId], root, validity: wrong ?? revocationOf(path, judge, ca) };
}

function revocationOf(path: readonly Certificate[], { at }: Judge, ca: MeshCa): string {
  if (path.some(({ serial }) => ca.isRevoked(serial))) return 'revoked';
  const lists = ca.revocationWindow;
  return lists === undefined || (at >= lists.from && at <= lists.until) ? 'valid' : 'revocation_unknown';
}

/** What a chain of any origin may be compared by: key identifiers where it has them, else names. */
export function rootAnchors(root: Certificate): readonly string[] {
  return [keyOf(root), root.fingerprint, `name:${root.subject.toString()}`];
}

/** A chain that is not the mesh's own. */
export function chainFacts(chain: readonly Certificate[], at: Instant): CertificateFacts {
  const last = chain.at(-1);
  const names = (chain[0]?.extensions.subjectAltName ?? []).flatMap((name) =>
    name.kind === 'uri' || name.kind === 'dns' ? [name.text] : [],
  );
  const wrong = chain.map((certificate) => datesOf(certificate, at)).find((dates) => dates !== 'valid');
  return { names, root: last === undefined ? '' : issuerKey(last), validity: wrong ?? 'valid' };
}

function issuerKey(certificate: Certificate): string {
  const issuer = certificate.extensions.authorityKeyId?.keyId;
  if (issuer !== undefined) return issuer;
  const [own, self] = [certificate.subject.toString(), certificate.issuer.toString()];
  return own === self ? certificate.fingerprint : `name:${self}`;
}

function keyOf(root: Certificate): string {
  return root.extensions.subjectKeyId ?? root.fingerprint;
}

function datesOf({ notBefore, notAfter }: Certificate, at: Instant): 'valid' | 'expired' | 'not_yet_valid' {
  return at > notAfter ? 'expired' : at < notBefore ? 'not_yet_valid' : 'valid';
}
