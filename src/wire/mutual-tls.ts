/**
 * The only file in which Node's own verdict on certificates is switched off, and where ours takes its place.
 *
 * OpenSSL judges dates by the machine's clock, and Node offers no way to set another (decision 1). So a handshake is
 * let through here whatever the peer presents, and in the same synchronous turn in which it completes the peer's chain,
 * exactly as sent, goes to the `VerifyPeer` of the caller. Before that turn ends either the connection is accepted or
 * the socket is destroyed: no application byte has been read or written.
 *
 * INVARIANT: `socket.authorized` is never read: on resumed TLS 1.3 sessions it is true for a client without any
 * certificate (nodejs/node#35317). A connection that was resumed after all is refused (decision 2).
 *
 * Not modelled: the TLS alert that Envoy sends when it refuses a certificate. Node has no way to send one; the peer
 * sees the connection close. A client that sends no certificate does get its alert, from OpenSSL.
 * @module
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext, TLSSocket } from 'node:tls';
import type { Instant } from '../core/index.ts';
import type { Address } from './address-book.ts';
import type { PeerVerdict, VerifyPeer } from './peer.ts';
import { codeOf, detailOf, reasonOf } from './socket-error.ts';

/** Longest chain that is looked at; Envoy's own default limit is higher, OpenSSL's is 100. */
const CHAIN_CERTIFICATES_MAX = 100;

export interface TlsFacts {
  readonly principal?: string;
  readonly principalValidUntil?: Instant;
  /** Leaf as the peer sent it, DER. */
  readonly peerCertificate?: Uint8Array;
  readonly alpn?: string;
  readonly tlsVersion: string;
}

export type TlsResult =
  | { readonly ok: true; readonly facts: TlsFacts }
  | { readonly ok: false; readonly stage: 'handshake' | 'verify'; readonly reason: string; readonly detail: string };

/** Called once. When the result is a refusal the socket is already destroyed. */
export type OnTls = (result: TlsResult, socket: TLSSocket) => void;

export interface AcceptTlsOptions {
  readonly context: SecureContext;
  /** Answered to the client; absent: the extension is ignored, as BoringSSL does where nothing matches. */
  readonly alpn?: string;
  /** Absent: no client certificate is asked for. */
  readonly verifyClient?: VerifyPeer;
  /** A record of the open connection was not the peer's; the socket is destroyed. */
  onForgedRecord?(reason: string, detail: string): void;
}

/** Takes the server's part on a connected socket; bytes put back with `unshift` are part of the handshake. */
export function acceptTls(raw: Socket, options: AcceptTlsOptions, done: OnTls): TLSSocket {
  const { verifyClient } = options;
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: options.context,
    requestCert: verifyClient !== undefined,
    // Outside a tls.Server this asks OpenSSL for its own alert where no certificate comes, and nothing else: whoever
    // shows one is let through to our judge.
    rejectUnauthorized: verifyClient !== undefined,
    ...(options.alpn !== undefined && { ALPNProtocols: [options.alpn] }),
  });
  settleOnce(socket, 'secure', done, () => judge(socket, verifyClient, 'no_client_certificate'));
  // A TLSSocket outside a tls.Server reports later errors (a forged record, a reset) by this event alone.
  let isOpen = false;
  socket.once('secure', () => (isOpen = true));
  socket.on('_tlsError', (error: unknown) => {
    if (isOpen && codeOf(error)?.startsWith('ERR_SSL_') === true)
      options.onForgedRecord?.(reasonOf(error, 'tls_error'), detailOf(error));
    socket.destroy();
  });
  return socket;
}

export interface ConnectTlsOptions {
  /** Where to connect to, or the open stream to speak over. */
  readonly address: Address | Duplex;
  readonly context: SecureContext;
  readonly sni?: string;
  readonly alpn?: readonly string[];
  readonly verifyServer: VerifyPeer;
  /** The write side stays open when the peer has ended its own. @defaultValue false */
  readonly halfOpen?: boolean;
  /** Told the secrets of the connection, one line of a key log at a time. */
  readonly onSecret?: (line: Uint8Array) => void;
}

/** Takes the client's part on a new connection. */
export function connectTls(options: ConnectTlsOptions, done: OnTls): TLSSocket {
  const socket = connect({
    ...('port' in options.address
      ? { host: options.address.host, port: options.address.port, allowHalfOpen: options.halfOpen === true }
      : { socket: options.address }),
    secureContext: options.context,
    rejectUnauthorized: false,
    ...(options.sni !== undefined && { servername: options.sni }),
    ...(options.alpn !== undefined && options.alpn.length > 0 && { ALPNProtocols: [...options.alpn] }),
  });
  if (options.onSecret !== undefined) socket.on('keylog', options.onSecret);
  settleOnce(socket, 'secureConnect', done, () => judge(socket, options.verifyServer, 'no_server_certificate'));
  return socket;
}

function settleOnce(
  socket: TLSSocket,
  completed: 'secure' | 'secureConnect',
  done: OnTls,
  verdict: () => TlsResult,
): void {
  let failure: unknown;
  let settled = false;
  const settle = (result: TlsResult): void => {
    if (settled) return;
    settled = true;
    if (!result.ok) socket.destroy();
    done(result, socket);
  };
  socket.once(completed, () => settle(verdict()));
  socket.on('error', (error) => (failure ??= error));
  // On a socket that may be half open nobody else would close a handshake whose other half is gone.
  socket.once('end', () => {
    if (!settled) socket.destroy();
  });
  socket.once('close', () => {
    if (codeOf(failure) === NO_CERTIFICATE) {
      settle(refused('no_client_certificate', 'the peer presented no certificate'));
      return;
    }
    const reason = reasonOf(failure, failure === undefined ? 'connection_closed' : 'tls_error');
    const detail = failure === undefined ? 'the peer closed during the handshake' : detailOf(failure);
    settle({ ok: false, stage: 'handshake', reason, detail });
  });
}

/** OpenSSL's word for a client that was asked for a certificate and sent none. */
const NO_CERTIFICATE = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';

function judge(socket: TLSSocket, verify: VerifyPeer | undefined, missing: string): TlsResult {
  if (socket.isSessionReused()) {
    return refused('resumed_session', 'the peer resumed a session, so its certificates were not presented again');
  }
  let verdict: PeerVerdict | undefined;
  let leaf: Uint8Array | undefined;
  if (verify !== undefined) {
    const chain = chainAsSent(socket);
    if (chain === undefined) return refused('chain_too_long', `more than ${CHAIN_CERTIFICATES_MAX} certificates`);
    if (chain.length === 0) return refused(missing, 'the peer presented no certificate');
    [leaf] = chain;
    verdict = judged(verify, chain);
    if (!verdict.ok) return refused(verdict.reason, verdict.detail);
  }
  return {
    ok: true,
    facts: {
      tlsVersion: socket.getProtocol() ?? '',
      ...(typeof socket.alpnProtocol === 'string' && { alpn: socket.alpnProtocol }),
      ...(leaf !== undefined && { peerCertificate: leaf }),
      ...(verdict?.ok === true && { principalValidUntil: verdict.validUntil }),
      ...(verdict?.ok === true && verdict.principal !== undefined && { principal: verdict.principal }),
    },
  };
}

/** A judge that throws has not said yes. */
function judged(verify: VerifyPeer, chain: readonly Uint8Array[]): PeerVerdict {
  try {
    return verify(chain);
  } catch (error) {
    return { ok: false, reason: 'verifier_failed', detail: detailOf(error) };
  }
}

function refused(reason: string, detail: string): TlsResult {
  return { ok: false, stage: 'verify', reason, detail };
}

/**
 * The peer's certificates in wire order. Reading them is destructive, so this happens once for each socket.
 * @returns `undefined` when there are too many
 */
function chainAsSent(socket: TLSSocket): readonly Uint8Array[] | undefined {
  const chain: Uint8Array[] = [];
  let next: X509Certificate | undefined = socket.getPeerX509Certificate();
  for (; next !== undefined; next = next.issuerCertificate) {
    if (chain.length === CHAIN_CERTIFICATES_MAX) return undefined;
    chain.push(next.raw);
  }
  return chain;
}
