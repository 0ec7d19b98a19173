/**
 * OpenSSL contexts for credentials, built when a connection first needs one and kept as long as the credential lives.
 *
 * No trust anchors are put in: OpenSSL's verdict is not used (see `mutual-tls.ts`), and an anchor would be appended to
 * the chain a server sends. One context serves both roles. Tickets are off, so that no session is resumed; so is
 * renegotiation (TLS 1.2), in which a peer could change its certificate after it was judged.
 *
 * Cipher suites are Istio's for TLS 1.2 (pilot's default list); TLS 1.3 has OpenSSL's own three.
 * @module
 */
import { constants, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Credential, TlsVersions } from './peer.ts';
import { detailOf } from './socket-error.ts';

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

export type ContextResult =
  | { readonly ok: true; readonly context: SecureContext }
  | { readonly ok: false; readonly detail: string };

/** The context of `credential`, or of a client that presents nothing; a key that does not fit its chain is refused. */
export function secureContextOf(credential: Credential | undefined, versions: TlsVersions = {}): ContextResult {
  const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = versions;
  const owner = credential ?? ANONYMOUS;
  let ofOwner = contexts.get(owner);
  if (ofOwner === undefined) contexts.set(owner, (ofOwner = new Map()));
  const key = `${minVersion}-${maxVersion}`;
  const known = ofOwner.get(key);
  if (known !== undefined) return { ok: true, context: known };
  try {
    const context = build(credential, { minVersion, maxVersion });
    ofOwner.set(key, context);
    return { ok: true, context };
  } catch (error) {
    return { ok: false, detail: detailOf(error) };
  }
}

function build(credential: Credential | undefined, versions: Required<TlsVersions>): SecureContext {
  return createSecureContext({
    ...(credential && { cert: pemOf(credential), key: keyPem(credential.key.privateKey) }),
    ca: [],
    ...versions,
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  });
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
