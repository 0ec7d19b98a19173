/**
 * What a server of a handshake bench is told to be, and the certificates of both sides.
 * @module
 */
import { addMs, HOUR_MS, type Instant, instantOf } from '../../core/index.ts';
import { workloadSpiffeId } from '../../identity/index.ts';
import {
  Certificate,
  CertificateAuthority,
  certificatesToPem,
  decodePem,
  issueSvid,
  type KeyAlgorithm,
  keyPairFromPem,
  SvidVerifier,
  TrustBundleSet,
} from '../../pki/index.ts';
import type { Credential, TlsVersion, VerifyPeer } from '../../wire/index.ts';

/** A side's certificate, key and trust, as files hold them. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Endpoint {
  readonly kind: 'plaintext' | 'node:tls' | 'meshproof';
  /** Of meshproof's verdict on chains. @defaultValue `remembers` */
  readonly memory?: 'remembers' | 'forgets';
  readonly identity: Identity;
  /** Whether the client must prove who it is. */
  readonly mutual: boolean;
  readonly version: TlsVersion;
  /** Key exchange group by OpenSSL's name; absent: the default. */
  readonly group?: string;
  /** What the server says: a byte as soon as it has accepted, or an answer to a request. */
  readonly says: 'byte' | 'answer';
}

export interface Identities {
  readonly server: Identity;
  readonly client: Identity;
}

/** Peers of the real world judge by the machine's clock, so these certificates live on it. */
export function wallClock(): Instant {
  return instantOf(Date.now());
}

/** A root and two leaves under it, all with the same kind of key. */
export function identitiesOf(key: KeyAlgorithm): Identities {
  const at = wallClock();
  const authority = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at: addMs(at, -HOUR_MS), key });
  const ca = authority.root.toPem();
  const identity = (serviceAccount: string): Identity => {
    const spiffeId = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount });
    const svid = issueSvid(authority, { spiffeId, at, key });
    return { cert: certificatesToPem(svid.chain), key: svid.key.privateKeyPem(), ca };
  };
  return { server: identity('backend'), client: identity('frontend') };
}

export function credentialOf({ cert, key }: Identity): Credential {
  return { chain: decodePem(cert, 'CERTIFICATE').map((der) => ({ der })), key: keyPairFromPem(key) };
}

/**
 * The verdict of the mesh.
 * @param memory whether a chain that was found good once is not checked for its signatures again, as in a mesh
 */
export function verifierOf(
  { ca }: Identity,
  purpose: 'client' | 'server',
  memory: 'remembers' | 'forgets',
): VerifyPeer {
  const bundles = TrustBundleSet.of({ 'cluster.local': Certificate.allFromPem(ca) });
  const lasting = new SvidVerifier();
  return (chain) => {
    const verifier = memory === 'remembers' ? lasting : new SvidVerifier();
    const result = verifier.verifyDer(chain, { bundles, at: wallClock(), purpose });
    return result.ok ? { ok: true, principal: result.spiffeId, validUntil: result.validUntil } : result;
  };
}
