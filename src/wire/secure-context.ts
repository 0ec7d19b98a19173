/**
 * OpenSSL contexts for credentials, built when a connection first needs one and kept as long as the credential lives.
 *
 * No trust anchors are put in: OpenSSL's verdict is not used (see `mutual-tls.ts`), and an anchor would be appended to
 * the chain a server sends. One context serves both roles. Tickets are off, so that no session is resumed.
 *
 * Cipher suites are Istio's for TLS 1.2 (pilot's default list); TLS 1.3 has OpenSSL's own three.
 * @module
 */
import { constants, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Credential, TlsVersions } from './peer.ts';

const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
].join(':');

/** A client without a certificate. */
const ANONYMOUS: object = {};
const contexts = new WeakMap<object, Map<string, SecureContext>>();

/** The context of `credential`, or of a client that presents nothing. */
export function secureContextOf(credential: Credential | undefined, versions: TlsVersions = {}): SecureContext {
  const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = versions;
  const owner = credential ?? ANONYMOUS;
  let ofOwner = contexts.get(owner);
  if (ofOwner === undefined) contexts.set(owner, (ofOwner = new Map()));
  const key = `${minVersion}-${maxVersion}`;
  let context = ofOwner.get(key);
  if (context === undefined) {
    context = createSecureContext({
      ...(credential && { cert: pemOf(credential), key: keyPem(credential.key.privateKey) }),
      ca: [],
      minVersion,
      maxVersion,
      ciphers: CIPHERS,
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    ofOwner.set(key, context);
  }
  return context;
}

function pemOf({ chain }: Credential): string {
  return chain
    .map(
      ({ der }) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');
}

function keyPem(key: KeyObject): string | Buffer {
  return key.export({ type: 'pkcs8', format: 'pem' });
}
