/**
 * Edits that keep a ClientHello's length: what somebody on the path can do to a negotiation before it is authenticated.
 * @module
 */
import type { WireRule } from '../wire/index.ts';
import { type LinkMatch, matchesLink } from '../wire/index.ts';

/** supported_versions (43) of a client that offers TLS 1.3 and 1.2, and of one that says 1.2 twice. */
const OFFERS_13: Buffer = Buffer.from('002b00050403040303', 'hex');
const OFFERS_12: Buffer = Buffer.from('002b00050403030303', 'hex');

/** Takes TLS 1.3 out of what the client offers. */
export function stripTls13(chunk: Buffer): boolean {
  return replace(chunk, OFFERS_13, OFFERS_12);
}

/** Makes protocol names that Istio knows into ones that nobody knows. */
export function stripIstioAlpn(chunk: Buffer): boolean {
  let found = false;
  while (replace(chunk, Buffer.from('istio'), Buffer.from('other'))) found = true;
  return found;
}

function replace(chunk: Buffer, what: Buffer, by: Buffer): boolean {
  const at = chunk.indexOf(what);
  if (at < 0) return false;
  by.copy(chunk, at);
  return true;
}

/** A rule that edits the first chunk of every connection on the link, and counts what it changed. */
export function editHello(
  on: LinkMatch,
  edit: (chunk: Buffer) => boolean,
): WireRule & { readonly edited: () => number } {
  let edited = 0;
  return {
    name: 'edit ClientHello',
    matches: (link) => matchesLink(link, on),
    edited: () => edited,
    onBytes: (connection, direction, chunk) => {
      if (direction !== 'up' || connection.bytes.up > chunk.length) return chunk;
      const copy = Buffer.from(chunk);
      if (edit(copy)) edited += 1;
      return copy;
    },
  };
}
