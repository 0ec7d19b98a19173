/**
 * Certificates from outside the mesh's authority: a legacy server's, an attacker's. They come from `selfsigned`, which
 * knows nothing of our own writer, so that what we accept and refuse is not only what we write.
 *
 * Not reproducible, and ECDSA P-256 or RSA alone: the package turns Ed25519 into RSA without a word. It writes no key
 * identifiers. SHA-256 is asked for by name, since its default is SHA-1.
 * @module
 */
import type { generate } from 'selfsigned';
import { MeshError, type Instant } from '../core/index.ts';
import { Certificate } from './certificate.ts';
import { keyPairFromPem, type KeyPair } from './keys.ts';

type SelfsignedExtension = NonNullable<NonNullable<Parameters<typeof generate>[1]>['extensions']>[number];

export interface ForeignOptions {
  /** Common name; letters, digits, dots, dashes and blanks. */
  readonly commonName: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** URI names: an attacker writes here who it wants to be. */
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  /** @defaultValue `ecdsa-p256` */
  readonly key?: 'ecdsa-p256' | 'rsa-2048';
  /** Whether it may sign others. @defaultValue false */
  readonly ca?: boolean;
  /** Who signs it. @defaultValue itself */
  readonly issuer?: ForeignCertificate;
}

export interface ForeignCertificate {
  readonly certificate: Certificate;
  readonly key: KeyPair;
}

/**
 * Makes a certificate outside the mesh.
 * @throws MeshError `ERR_PKI_OPTION` for a common name the package would corrupt
 */
export async function createForeignCertificate(options: ForeignOptions): Promise<ForeignCertificate> {
  const { commonName, notBefore, notAfter, key = 'ecdsa-p256', issuer } = options;
  if (!/^[A-Za-z0-9 .-]+$/.test(commonName)) {
    throw new MeshError(
      'ERR_PKI_OPTION',
      `common name \`${commonName}\` may hold only letters, digits, dots, dashes, blanks`,
    );
  }
  // Loaded when it is first wanted: nobody else should wait for it.
  const { default: selfsigned } = await import('selfsigned');
  const made = await selfsigned.generate([{ name: 'commonName', value: commonName }], {
    algorithm: 'sha256',
    ...(key === 'ecdsa-p256' ? { keyType: 'ec', curve: 'P-256' } : { keyType: 'rsa', keySize: 2048 }),
    notBeforeDate: new Date(notBefore),
    notAfterDate: new Date(notAfter),
    extensions: extensionsOf(options),
    ...(issuer === undefined ? {} : { ca: { key: issuer.key.privateKeyPem(), cert: issuer.certificate.toPem() } }),
  });
  return { certificate: Certificate.fromPem(made.cert), key: keyPairFromPem(made.private) };
}

function extensionsOf({ uris = [], dnsNames = [], ca = false }: ForeignOptions): SelfsignedExtension[] {
  const altNames = [
    ...dnsNames.map((value) => ({ type: 2 as const, value })),
    ...uris.map((value) => ({ type: 6 as const, value })),
  ];
  return [
    { name: 'basicConstraints', cA: ca, critical: true },
    ca
      ? { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }
      : { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    ...(ca ? [] : [{ name: 'extKeyUsage' as const, serverAuth: true, clientAuth: true }]),
    ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName' as const, altNames }]),
  ];
}
