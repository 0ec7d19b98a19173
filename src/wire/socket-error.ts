/**
 * Stable reason codes for what sockets and OpenSSL report.
 * @module
 */
import { messageOf } from '../core/index.ts';

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['ETIMEDOUT', 'connect_timeout'],
  ['UND_ERR_SOCKET', 'connection_closed'],
  ['UND_ERR_HEADERS_OVERFLOW', 'response_headers_too_large'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'content_length_mismatch'],
  ['UND_ERR_INVALID_ARG', 'invalid_request'],
  // Plain text where a TLS record was expected: OpenSSL 3.5 looks at the record's length before its version.
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'wrong_version_number'],
]);

/** The `code` of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * A code for a socket's or OpenSSL's error: `ERR_SSL_WRONG_VERSION_NUMBER` is `wrong_version_number`; what nobody has
 * a name for is `otherwise`.
 */
export function reasonOf(error: unknown, otherwise: string): string {
  const code = codeOf(error);
  if (code === undefined) return otherwise;
  const known = REASONS.get(code);
  if (known !== undefined) return known;
  // OpenSSL 3.5 calls the alerts of SSL 3 by another name.
  if (code.startsWith('ERR_SSL_'))
    return code.slice('ERR_SSL_'.length).toLowerCase().replace('ssl/tls_alert_', 'sslv3_alert_');
  return code.startsWith('HPE_') ? 'codec_error' : otherwise;
}

/** The error's message, one line; OpenSSL's without the thread and the source line, which differ between runs. */
export function detailOf(error: unknown): string {
  return messageOf(error)
    .trim()
    .replace(/^[0-9A-F]+:(error:[^.]*?):\.\.\/.*$/s, '$1')
    .replaceAll(/\s*\n\s*/g, ' ');
}
