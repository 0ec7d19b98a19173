/**
 * A certificate authority: roots, intermediates, SVIDs, root rotation both ways, revocation lists.
 *
 * It signs what Istio's CA signs. The identity in a certificate is the one its caller names, who has authenticated the
 * workload; the names in the request are ignored. Life is limited and clamped (`validity.ts`). Signing certificates
 * carry the SPIFFE ID of their trust domain, without a path (X509-SVID §3.2), which Istio's own root does not; and
 * `cRLSign` unless `signsCrls` is false.
 *
 * An authority is immutable: renewing, cross-signing and the like give another one with the same key. Not modelled:
 * registration authorities, name constraints (X509-SVID §4.2 warns of them), certificate transparency.
 *
 * Source: RFC 5280 §4, SPIFFE X509-SVID §3–4, istio `security/pkg/pki/ca`.
 * @module
 */
import { randomFillSync } from 'node:crypto';
import { MeshError, type Instant, type Rng } from '../core/index.ts';
import { parseTrustDomain, pathOf, spiffeIdFault, trustDomainOf, type SpiffeId } from '../identity/index.ts';
import { buildCertificate, EMPTY_NAME, encodeName } from './certificate-builder.ts';
import { Certificate } from './certificate.ts';
import { buildCrl, type CrlOptions } from './crl-builder.ts';
import { verifyCsr } from './csr.ts';
import { derUnsigned } from './der/writer.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './extension-encoding.ts';
import { DEFAULT_KEY_ALGORITHM, generateKeyPair, type KeyAlgorithm, type KeyPair } from './keys.ts';
import { keyIdentifierOf } from './public-key.ts';
import {
  CLOCK_SKEW_GRACE_MS,
  DEFAULT_INTERMEDIATE_TTL_MS,
  DEFAULT_ROOT_TTL_MS,
  leafTtlMs,
  requireValidSigner,
  signingTtlMs,
  windowOf,
  type ValidityWindow,
} from './validity.ts';

interface SigningOptions {
  readonly at: Instant;
  readonly ttlMs?: number;
  readonly key?: KeyAlgorithm;
  /** A key made elsewhere, instead of a new one. */
  readonly keyPair?: KeyPair;
  /** Makes key and serial numbers reproducible. */
  readonly rng?: Rng;
  /** How many further intermediates may follow; unlimited if absent. */
  readonly pathLength?: number;
  /** Whether it may sign revocation lists (`cRLSign`). @defaultValue true */
  readonly signsCrls?: boolean;
}

export interface RootOptions extends SigningOptions {
  readonly trustDomain: string;
  /** Organization in the subject. @defaultValue the trust domain, as istiod does */
  readonly organization?: string;
  /**
   * Trust domains it signs identities of besides its own: after a migration, or since it is an adversary's.
   * @defaultValue none
   */
  readonly issuesFor?: readonly string[];
}

export interface IntermediateOptions extends SigningOptions {
  /** @defaultValue `Intermediate CA` */
  readonly commonName?: string;
}

export interface SvidRequest {
  /** Who the caller has been found to be. */
  readonly spiffeId: SpiffeId;
  readonly at: Instant;
  /** @defaultValue 24 h; 0 or less means the default */
  readonly ttlMs?: number;
}

/** A new validity for a certificate that exists. */
export interface RenewalOptions {
  readonly at: Instant;
  readonly ttlMs?: number;
}

interface Parts {
  readonly trustDomain: string;
  readonly issuesFor: ReadonlySet<string>;
  readonly key: KeyPair;
  readonly certificate: Certificate;
  /** Subject, DER. */
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly pathLength: number | undefined;
  readonly signsCrls: boolean;
  readonly serials: Rng | undefined;
  readonly parent: CertificateAuthority | undefined;
  /** What it sends along behind its own certificate. */
  readonly above: readonly Certificate[];
}

/** What a signing certificate says, but for who signs it and when. */
type SigningProfile = Pick<
  Parts,
  'trustDomain' | 'key' | 'name' | 'keyIdentifier' | 'pathLength' | 'signsCrls' | 'serials'
>;

/** Who signs a certificate, and the authority key identifier it leaves in it. */
interface Issuer {
  readonly name: Uint8Array;
  readonly key: KeyPair;
  readonly keyIdentifier: Uint8Array;
}

const LEAF_KEY_USAGE = keyUsage(['digitalSignature', 'keyEncipherment']);
const LEAF_EXTENDED_KEY_USAGE = extendedKeyUsage(['serverAuth', 'clientAuth']);
const LEAF_BASIC_CONSTRAINTS = basicConstraints({ ca: false });
/** Istio copies no longer common name from a request. */
const COMMON_NAME_MAX = 64;
const SERIAL_OCTETS = 16;
/** Tag and length in front of an INTEGER of fewer than 128 octets. */
const INTEGER_HEADER_OCTETS = 2;

export class CertificateAuthority {
  readonly trustDomain: string;
  readonly key: KeyPair;
  /** Its own certificate. */
  readonly certificate: Certificate;
  /** What goes between a leaf and the root: its certificate and those above it, without the root. */
  readonly chain: readonly Certificate[];
  readonly #parts: Parts;
  readonly #authorityKeyIdentifier: Uint8Array;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.trustDomain = parts.trustDomain;
    this.key = parts.key;
    this.certificate = parts.certificate;
    this.chain = parts.parent === undefined ? parts.above : [parts.certificate, ...parts.above];
    this.#authorityKeyIdentifier = authorityKeyIdentifier(parts.keyIdentifier);
  }

  /** A self-signed root, valid from `at` (not backdated, as istiod's). */
  static createRoot(options: RootOptions): CertificateAuthority {
    const trustDomain = parseTrustDomain(options.trustDomain);
    const profile = profileOf(options, trustDomain, encodeName({ organization: options.organization ?? trustDomain }));
    const window = windowOf(options.at, signingTtlMs(options.ttlMs, DEFAULT_ROOT_TTL_MS));
    return new CertificateAuthority({
      ...profile,
      issuesFor: new Set([trustDomain, ...(options.issuesFor ?? []).map(parseTrustDomain)]),
      certificate: signingCertificate(profile, profile, window),
      parent: undefined,
      above: [],
    });
  }

  /** An intermediate under this authority. @throws MeshError `ERR_PKI_ISSUE` where its path length allows none */
  createIntermediate(options: IntermediateOptions): CertificateAuthority {
    this.#requireIntermediateAllowed();
    const { trustDomain, issuesFor } = this.#parts;
    const name = encodeName({ organization: trustDomain, commonName: options.commonName ?? 'Intermediate CA' });
    const profile = profileOf(options, trustDomain, name);
    const certificate = this.#signSigning(profile, options, DEFAULT_INTERMEDIATE_TTL_MS);
    return new CertificateAuthority({ ...profile, issuesFor, certificate, parent: this, above: this.chain });
  }

  /** The root at the top: its own certificate if it is one. */
  get root(): Certificate {
    return this.#parts.parent?.root ?? this.certificate;
  }

  /**
   * The same authority with a new certificate: same key, same fields, another serial and validity. It is what istiod
   * does with its root; certificates signed before verify against the new one, and the other way round.
   */
  renew(options: RenewalOptions): CertificateAuthority {
    const { parent } = this.#parts;
    const certificate =
      parent === undefined
        ? signingCertificate(
            this.#parts,
            this.#parts,
            windowOf(options.at, signingTtlMs(options.ttlMs, DEFAULT_ROOT_TTL_MS)),
          )
        : parent.#signSigning(this.#parts, options, DEFAULT_INTERMEDIATE_TTL_MS);
    return new CertificateAuthority({ ...this.#parts, certificate });
  }

  /**
   * The same authority, which sends a certificate for its key signed by `other` along: who knows only `other`'s root
   * accepts what it issues. For the change to a new root.
   */
  crossSignedBy(other: CertificateAuthority, options: RenewalOptions): CertificateAuthority {
    if (this.#parts.parent !== undefined) {
      throw new MeshError('ERR_PKI_ISSUE', 'only a root can be cross-signed');
    }
    other.#requireIntermediateAllowed();
    const cross = other.#signSigning(this.#parts, options, DEFAULT_INTERMEDIATE_TTL_MS);
    return new CertificateAuthority({ ...this.#parts, above: [cross, ...other.chain] });
  }

  /** The same authority, which signs identities of these trust domains besides its own and those it already signs. */
  issuingFor(trustDomains: readonly string[]): CertificateAuthority {
    const issuesFor = new Set([...this.#parts.issuesFor, ...trustDomains.map(parseTrustDomain)]);
    return new CertificateAuthority({ ...this.#parts, issuesFor });
  }

  /**
   * Checks a request and signs a certificate for the identity its caller has been found to have.
   * @param csr PKCS#10, DER
   * @returns the leaf, then what goes between it and the root
   * @throws MeshError `ERR_PKI_ISSUE`, `ERR_PKI_ENCODING`
   */
  issueSvid(csr: Uint8Array, request: SvidRequest): readonly Certificate[] {
    const { spiffeId, at } = request;
    this.#requireIssuable(spiffeId);
    const ttlMs = leafTtlMs(request.ttlMs);
    requireValidSigner(this.certificate, at);
    const { spki, commonName } = verifyCsr(csr);
    const named = commonName !== undefined && commonName.length <= COMMON_NAME_MAX;
    const serial = newSerial(this.#parts.serials);
    const { notBefore, notAfter } = windowOf(at, ttlMs, { backdateMs: CLOCK_SKEW_GRACE_MS, signer: this.certificate });
    const der = buildCertificate(
      {
        serial,
        issuer: this.#parts.name,
        notBefore,
        notAfter,
        subject: named ? encodeName({ commonName }) : EMPTY_NAME,
        spki,
        extensions: [
          LEAF_KEY_USAGE,
          LEAF_EXTENDED_KEY_USAGE,
          LEAF_BASIC_CONSTRAINTS,
          subjectKeyIdentifier(keyIdentifierOf(spki)),
          this.#authorityKeyIdentifier,
          subjectAltName({ uris: [spiffeId] }, !named),
        ],
      },
      this.key,
    );
    const leaf = Certificate.signed(der, { serialBytes: serial.subarray(INTEGER_HEADER_OCTETS), notBefore, notAfter });
    return [leaf, ...this.chain];
  }

  /**
   * A revocation list over certificates of this authority, DER.
   * @throws MeshError `ERR_PKI_ISSUE` where it may not sign one
   */
  issueCrl(options: CrlOptions): Uint8Array {
    if (!this.#parts.signsCrls) {
      throw new MeshError('ERR_PKI_ISSUE', 'the signing certificate does not allow revocation lists (`cRLSign`)');
    }
    requireValidSigner(this.certificate, options.at);
    return buildCrl(options, this.#parts.name, this.#authorityKeyIdentifier, this.key);
  }

  #requireIntermediateAllowed(): void {
    if (this.#parts.pathLength === 0) {
      throw new MeshError('ERR_PKI_ISSUE', 'the path length of the signing certificate allows no intermediate');
    }
  }

  #requireIssuable(spiffeId: SpiffeId): void {
    const fault = spiffeIdFault(spiffeId);
    if (fault !== undefined) throw new MeshError('ERR_PKI_ISSUE', `SPIFFE ID \`${spiffeId}\`: ${fault}`);
    if (pathOf(spiffeId) === '') {
      throw new MeshError('ERR_PKI_ISSUE', `SPIFFE ID \`${spiffeId}\` names a trust domain, not a workload`);
    }
    if (!this.#parts.issuesFor.has(trustDomainOf(spiffeId))) {
      throw new MeshError('ERR_PKI_ISSUE', `SPIFFE ID \`${spiffeId}\` is not of trust domain \`${this.trustDomain}\``);
    }
  }

  #signSigning(profile: SigningProfile, options: RenewalOptions, defaultTtlMs: number): Certificate {
    requireValidSigner(this.certificate, options.at);
    const window = windowOf(options.at, signingTtlMs(options.ttlMs, defaultTtlMs), {
      backdateMs: CLOCK_SKEW_GRACE_MS,
      signer: this.certificate,
    });
    return signingCertificate(profile, this.#parts, window);
  }
}

function profileOf(options: SigningOptions, trustDomain: string, name: Uint8Array): SigningProfile {
  const { rng, keyPair, key: algorithm = DEFAULT_KEY_ALGORITHM, pathLength, signsCrls = true } = options;
  if (pathLength !== undefined && !(Number.isInteger(pathLength) && pathLength >= 0 && pathLength <= 255)) {
    throw new MeshError('ERR_PKI_OPTION', `a path length of ${pathLength} is not an integer in 0..255`);
  }
  const key = keyPair ?? generateKeyPair(algorithm, rng === undefined ? {} : { rng: rng.fork('key') });
  return {
    trustDomain,
    name,
    key,
    keyIdentifier: keyIdentifierOf(key.spki),
    pathLength,
    signsCrls,
    serials: rng?.fork('serials'),
  };
}

function signingCertificate(profile: SigningProfile, issuer: Issuer, window: ValidityWindow): Certificate {
  const { trustDomain, key, name, keyIdentifier, pathLength, signsCrls, serials } = profile;
  const der = buildCertificate(
    {
      serial: newSerial(serials),
      issuer: issuer.name,
      ...window,
      subject: name,
      spki: key.spki,
      extensions: [
        keyUsage(signsCrls ? ['keyCertSign', 'cRLSign'] : ['keyCertSign']),
        basicConstraints(pathLength === undefined ? { ca: true } : { ca: true, pathLength }),
        subjectKeyIdentifier(keyIdentifier),
        authorityKeyIdentifier(issuer.keyIdentifier),
        subjectAltName({ uris: [`spiffe://${trustDomain}`] }, false),
      ],
    },
    issuer.key,
  );
  return Certificate.fromDer(der);
}

/** A random positive INTEGER of 128 bits. */
function newSerial(rng: Rng | undefined): Uint8Array {
  const octets = rng === undefined ? randomSerial() : rng.bytes(SERIAL_OCTETS);
  if (octets.every((octet) => octet === 0)) octets[SERIAL_OCTETS - 1] = 1;
  return derUnsigned(octets);
}

/** Random octets for the next serial numbers: one call to the generator costs as much for one as for many. */
const SERIALS_AT_ONCE = 256;
const serialOctets = new Uint8Array(SERIAL_OCTETS * SERIALS_AT_ONCE);
let serialsTaken = SERIALS_AT_ONCE;

function randomSerial(): Uint8Array {
  if (serialsTaken === SERIALS_AT_ONCE) {
    randomFillSync(serialOctets);
    serialsTaken = 0;
  }
  const start = SERIAL_OCTETS * serialsTaken++;
  return serialOctets.slice(start, start + SERIAL_OCTETS);
}
