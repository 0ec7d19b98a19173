/**
 * Tells TLS, HTTP/1 and other protocols apart by the first bytes of a connection, and puts the bytes back.
 *
 * As Envoy's TLS and HTTP inspectors: a complete ClientHello is waited for; HTTP is recognised by a whole request line.
 * A client that says nothing is waited for, as in Istio (`protocolDetectionTimeout: 0s`); one that stops in the middle is
 * closed after a while of wall time.
 * @module
 */
import { METHODS } from 'node:http';
import type { Socket } from 'node:net';
import { CLIENT_HELLO_BYTES_MAX, looksLikeTls, readClientHello } from './client-hello.ts';
import type { FirstFlight } from './inbound.ts';

/** A ClientHello of the greatest length in records of the smallest useful size does not fit: nobody sends one. */
const FIRST_FLIGHT_BYTES_MAX: number = 2 * CLIENT_HELLO_BYTES_MAX;
/** Envoy's HTTP inspector gives up later; no honest request line is longer. */
const REQUEST_LINE_BYTES_MAX = 8_192;
const METHOD_BYTES_MAX = 32;
/** RFC 9113 3.4, as far as the end of its line. */
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n';

const METHOD_NAMES: readonly string[] = [...METHODS, 'PRI'];

export type FlightReading =
  | { readonly state: 'flight'; readonly flight: FirstFlight }
  | { readonly state: 'refused'; readonly reason: string; readonly detail: string };

/** What the bytes so far are; `undefined`: more are needed. */
export function classify(bytes: Buffer): FlightReading | undefined {
  if (bytes.length === 0) return undefined;
  if (looksLikeTls(bytes)) {
    const hello = readClientHello(bytes);
    if (hello.state === 'hello') {
      const { sni, alpn } = hello;
      return { state: 'flight', flight: { kind: 'tls', alpn, ...(sni !== undefined && { sni }) } };
    }
    if (hello.state === 'too-large' || bytes.length > FIRST_FLIGHT_BYTES_MAX) {
      return {
        state: 'refused',
        reason: 'client_hello_too_large',
        detail: `more than ${CLIENT_HELLO_BYTES_MAX} bytes`,
      };
    }
    return hello.state === 'incomplete' ? undefined : raw('tcp');
  }
  return classifyText(bytes);
}

function classifyText(bytes: Buffer): FlightReading | undefined {
  const start = bytes.toString('latin1', 0, METHOD_BYTES_MAX);
  const space = start.indexOf(' ');
  if (space < 0) return METHOD_NAMES.some((method) => method.startsWith(start)) ? undefined : raw('tcp');
  if (!METHOD_NAMES.includes(start.slice(0, space))) return raw('tcp');
  const end = bytes.subarray(0, REQUEST_LINE_BYTES_MAX).indexOf(10);
  if (end < 0) return bytes.length < REQUEST_LINE_BYTES_MAX ? undefined : raw('tcp');
  if (start.startsWith(HTTP2_PREFACE))
    return { state: 'flight', flight: { kind: 'raw', looksLike: 'http', isHttp2: true } };
  return / HTTP\/[12]\.\d\r?$/.test(bytes.toString('latin1', 0, end)) ? raw('http') : raw('tcp');
}

function raw(looksLike: 'http' | 'tcp'): FlightReading {
  return { state: 'flight', flight: { kind: 'raw', looksLike } };
}

/**
 * Reads from `socket` until the first flight is known, then puts all bytes back and calls `done` in the same turn. The
 * socket is left as if nobody had read: a later `data` listener gets everything. Does not call `done` when the socket
 * closes before.
 */
export function readFirstFlight(socket: Socket, done: (reading: FlightReading) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const reading = classify(bytes);
    if (reading === undefined) return;
    socket.off('readable', onReadable);
    socket.unshift(bytes);
    done(reading);
  };
  socket.on('readable', onReadable);
}
