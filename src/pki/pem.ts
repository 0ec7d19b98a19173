/**
 * PEM text, strictly: RFC 7468 blocks of one label. Text between blocks is allowed, as every tool allows it.
 * @module
 */
import { encodingError } from './der/reader.ts';

const LINE_LENGTH = 64;

/**
 * The DER of every block with this label, in order; blocks of other labels are skipped.
 * @throws MeshError `ERR_PKI_ENCODING` on a block that does not end or is not base64
 */
export function decodePem(text: string, label: string): Uint8Array[] {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const start = at + begin.length;
    const stop = text.indexOf(end, start);
    if (stop < 0) throw encodingError(`PEM block \`${label}\` does not end`);
    blocks.push(decodeBase64(text.slice(start, stop), label));
    at = stop + end.length;
  }
  return blocks;
}

export function encodePem(der: Uint8Array, label: string): string {
  const base64 = Buffer.from(der).toString('base64');
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += LINE_LENGTH) lines.push(base64.slice(at, at + LINE_LENGTH));
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Strict base64 with white space: Buffer alone skips whatever it does not know. */
function decodeBase64(body: string, label: string): Uint8Array {
  const compact = body.replace(/\s+/g, '');
  if (compact === '' || compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) {
    throw encodingError(`PEM block \`${label}\` is not base64`);
  }
  return Buffer.from(compact, 'base64');
}
