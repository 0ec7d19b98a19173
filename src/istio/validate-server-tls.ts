/**
 * What istiod's webhook and the CRD refuse in the TLS settings of a Sidecar's ingress, and what they warn of. The modes
 * are those of a Gateway, of which a Sidecar takes SIMPLE, MUTUAL, OPTIONAL_MUTUAL and PASSTHROUGH, with files alone.
 * Source: https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings
 * @module
 */
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import type { ServerTlsSettings } from './service-entry.ts';

/** Certificates come from files; there is no secret discovery, no redirect and no check of names. */
const UNSUPPORTED = [
  'subjectAltNames',
  'httpsRedirect',
  'credentialName',
  'credentialNames',
  'tlsCertificates',
] as const;

const CIPHER_SUITES: ReadonlySet<string> = new Set([
  'ALL',
  ...['ECDSA', 'RSA'].flatMap((key) =>
    ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305', 'AES128-SHA', 'AES256-SHA'].map(
      (cipher) => `ECDHE-${key}-${cipher}`,
    ),
  ),
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

/** Validates `tls`, on which `at` stands. */
export function validateServerTls(tls: ServerTlsSettings, at: Decoding): void {
  const { mode = 'PASSTHROUGH' } = tls;
  for (const field of UNSUPPORTED) {
    if (isGiven(tls[field])) at.fault('is not supported in a Sidecar', field);
  }
  if (mode === 'ISTIO_MUTUAL' || mode === 'AUTO_PASSTHROUGH') {
    at.fault(`the mode ${mode} cannot be used in a Sidecar`, 'mode');
    return;
  }
  validateCiphers(tls, at);
  if (mode === 'PASSTHROUGH') {
    const unused = (['caCrl', 'serverCertificate', 'privateKey', 'caCertificates'] as const).find((field) =>
      isGiven(tls[field]),
    );
    if (unused !== undefined) at.warn('PASSTHROUGH uses no certificates', unused);
    return;
  }
  if (mode !== 'SIMPLE' && !isGiven(tls.caCertificates)) at.fault(`${mode} needs \`caCertificates\``);
  if (!isGiven(tls.serverCertificate)) at.fault(`${mode} needs \`serverCertificate\``);
  if (!isGiven(tls.privateKey)) at.fault(`${mode} needs \`privateKey\``);
  if (mode === 'SIMPLE' && isGiven(tls.caCrl)) at.fault('is not supported with SIMPLE', 'caCrl');
}

function isGiven(value: string | boolean | readonly unknown[] | undefined): boolean {
  return typeof value === 'boolean' ? value : value !== undefined && value.length > 0;
}

function validateCiphers({ cipherSuites = [], minProtocolVersion }: ServerTlsSettings, at: Decoding): void {
  if ((minProtocolVersion === 'TLSV1_0' || minProtocolVersion === 'TLSV1_1') && cipherSuites.length === 0) {
    at.warn('below TLSV1_2 no cipher suite is offered by default; name some', 'minProtocolVersion');
  }
  const seen = new Set<string>();
  cipherSuites.forEach((suite, index) => {
    // What begins with a sign is an expression of OpenSSL's, which nobody but OpenSSL reads.
    const isSuite = /^[\p{L}\p{N}]/u.test(suite);
    if (isSuite && !CIPHER_SUITES.has(suite)) at.warn(`${quote(suite)} is no cipher suite`, 'cipherSuites', index);
    else if (seen.has(suite)) at.warn(`${quote(suite)} stands here twice`, 'cipherSuites', index);
    seen.add(suite);
  });
}
