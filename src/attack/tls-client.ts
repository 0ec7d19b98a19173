/**
 * A TLS client that does not verify by itself: an attacker's, or a careless program's. What it checks is what it is
 * told to check, after the handshake and before the request.
 * @module
 */
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { messageOf } from '../core/index.ts';
import type { Address, Credential, VerifyPeer } from '../wire/index.ts';
import { detailOf, reasonOf } from '../wire/socket-error.ts';
import { pemOf } from './credentials.ts';

export interface TlsCall {
  readonly address: Address;
  readonly credential?: Credential | undefined;
  readonly sni?: string;
  readonly alpn?: readonly string[];
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  /** OpenSSL cipher string. */
  readonly ciphers?: string;
  /** A session to resume. */
  readonly session?: Buffer;
  /** Judges the server's chain; absent: anybody will do. Not asked on a resumed session: nothing was presented. */
  readonly verify?: VerifyPeer | undefined;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

export type TlsAnswer = {
  /** Sessions the server has offered for resumption. */
  readonly sessions: readonly Buffer[];
  readonly tlsVersion?: string;
  readonly resumed: boolean;
} & (
  | { readonly ok: true; readonly status: number; readonly body: string }
  | {
      readonly ok: false;
      readonly stage: 'connect' | 'handshake' | 'verify-server' | 'response';
      readonly reason: string;
      readonly detail: string;
    }
);

/** One request on a connection of its own. Never rejects. */
export async function callOverTls(call: TlsCall): Promise<TlsAnswer> {
  const sessions: Buffer[] = [];
  let resumed = false;
  const failed = (
    stage: 'connect' | 'handshake' | 'verify-server' | 'response',
    reason: string,
    detail: string,
  ): TlsAnswer => ({ ok: false, stage, reason, detail, sessions, resumed });
  const socket = open(call);
  socket.on('session', (session: Buffer) => void sessions.push(session));
  try {
    const shaken = await handshake(socket);
    if (!shaken.ok) return failed('handshake', shaken.reason, shaken.detail);
    resumed = socket.isSessionReused();
    const tlsVersion = socket.getProtocol() ?? '';
    if (call.verify !== undefined && !resumed) {
      const verdict = call.verify(chainOf(socket));
      if (!verdict.ok) return failed('verify-server', verdict.reason, verdict.detail);
    }
    const answer = await exchange(socket, call.request);
    if (!answer.ok) return { ...failed('response', answer.reason, answer.detail), tlsVersion };
    return { ...answer, sessions, resumed, tlsVersion };
  } finally {
    socket.destroy();
  }
}

function open({ address, credential, sni, alpn, session, minVersion, maxVersion, ciphers }: TlsCall): TLSSocket {
  return connect({
    host: address.host,
    port: address.port,
    // Whose certificate this is, is asked later, or never.
    rejectUnauthorized: false,
    ...(credential && pemOf(credential)),
    ...(sni !== undefined && { servername: sni }),
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
    ...(session && { session }),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
    ...(ciphers !== undefined && { ciphers }),
  });
}

type Shaken = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly detail: string };

function handshake(socket: TLSSocket): Promise<Shaken> {
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve({ ok: true }));
    socket.on('error', (error) =>
      resolve({ ok: false, reason: reasonOf(error, 'tls_error'), detail: detailOf(error) }),
    );
    socket.once('close', () =>
      resolve({ ok: false, reason: 'connection_closed', detail: 'closed during the handshake' }),
    );
  });
}

export function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate)
    chain.push(next.raw);
  return chain;
}

export type Answer =
  | { readonly ok: true; readonly status: number; readonly body: string }
  | { readonly ok: false; readonly reason: string; readonly detail: string };

/** HTTP over a socket that is ready; also for plaintext ones. */
export function exchange(socket: Socket, { method, path, host, headers }: TlsCall['request']): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (error: unknown): void =>
      resolve({ ok: false, reason: reasonOf(error, 'connection_closed'), detail: messageOf(error) });
    const request = httpRequest(
      { createConnection: () => socket, method, path, headers: { host, connection: 'close', ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.once('end', () =>
          resolve({ ok: true, status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
        response.once('error', failed);
      },
    );
    request.once('error', failed);
    request.end();
  });
}
