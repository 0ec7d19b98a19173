/**
 * Opens one connection the way a client sidecar does: through the seam, entered in the address book, the server's
 * chain judged before anything is sent.
 * @module
 */
import { connect, type Socket } from 'node:net';
import type { Address, AddressBook } from './address-book.ts';
import { connectTls, type TlsFacts } from './mutual-tls.ts';
import type { OutboundConnection, OutboundFailure, OutboundRoute } from './outbound.ts';
import type { Seam } from './seam.ts';
import { secureContextOf } from './secure-context.ts';
import { detailOf, reasonOf } from './socket-error.ts';

/** Istio's default `connectTimeout`. */
export const CONNECT_TIMEOUT_MS = 10_000;

export interface Dialler {
  readonly seam: Seam;
  readonly addresses: AddressBook;
  /** Told of every socket at once, so that its owner can destroy it at any time. */
  adopt(socket: Socket): void;
}

export type Dialled =
  | { readonly ok: true; readonly socket: Socket; readonly connection: OutboundConnection }
  | { readonly ok: false; readonly failure: OutboundFailure };

export async function dial(route: OutboundRoute, dialler: Dialler): Promise<Dialled> {
  const passage = dialler.seam.passage(route.link, {
    address: route.address,
    ...(route.virtualSourceIp !== undefined && { sourceIp: route.virtualSourceIp }),
  });
  if (passage === undefined) return open(route, route.address, dialler);
  const way = await passage;
  if (!way.ok) return { ok: false, failure: { stage: 'connect', reason: way.reason, detail: way.detail } };
  try {
    const dialled = await open(route, way.address, dialler);
    if (dialled.ok) dialled.socket.once('close', () => way.release());
    else way.release();
    return dialled;
  } catch (error) {
    way.release();
    throw error;
  }
}

function open(route: OutboundRoute, address: Address, dialler: Dialler): Promise<Dialled> {
  return new Promise((resolve) => {
    let connected = false;
    const onConnect = (socket: Socket): void => {
      connected = true;
      const local = localOf(socket);
      const entry = dialler.addresses.register(local, {
        workload: route.link.source,
        ...(route.virtualSourceIp !== undefined && { ip: route.virtualSourceIp }),
      });
      socket.once('close', () => entry[Symbol.dispose]());
    };
    const settle = (dialled: Dialled): void => {
      clearTimeout(timer);
      resolve(dialled);
    };
    const socket =
      route.tls === undefined
        ? dialPlain(address, settle, dialler)
        : dialTls(route.tls, { address, isConnected: () => connected }, settle, dialler);
    const timer = setTimeout(() => {
      const failure = {
        stage: connected ? 'handshake' : 'connect',
        reason: 'timeout',
        detail: 'not ready in time',
      } as const;
      resolve({ ok: false, failure });
      socket.destroy();
    }, route.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    timer.unref();
    dialler.adopt(socket);
    socket.setNoDelay(true);
    socket.prependOnceListener('connect', () => onConnect(socket));
  });
}

function dialPlain(address: Address, settle: (dialled: Dialled) => void, dialler: Dialler): Socket {
  const socket = connect({ host: address.host, port: address.port });
  socket.once('connect', () =>
    settle({ ok: true, socket, connection: connectionOf(dialler, socket, { security: 'none' }) }),
  );
  socket.on('error', (error) =>
    settle({
      ok: false,
      failure: { stage: 'connect', reason: reasonOf(error, 'connect_failed'), detail: detailOf(error) },
    }),
  );
  socket.once('close', () =>
    settle({
      ok: false,
      failure: { stage: 'connect', reason: 'connection_closed', detail: 'closed while connecting' },
    }),
  );
  return socket;
}

function dialTls(
  tls: NonNullable<OutboundRoute['tls']>,
  way: { readonly address: Address; isConnected(): boolean },
  settle: (dialled: Dialled) => void,
  dialler: Dialler,
): Socket {
  const credential = tls.identity();
  const { address } = way;
  const { sni, alpn, verifyServer } = tls;
  return connectTls(
    {
      address,
      context: secureContextOf(credential, tls),
      verifyServer,
      ...(sni !== undefined && { sni }),
      ...(alpn !== undefined && { alpn }),
    },
    (result, socket) => {
      if (result.ok) {
        const security = credential === undefined ? 'tls' : 'mutual_tls';
        const facts = { security, ...result.facts, ...(sni !== undefined && { sni }) } as const;
        settle({ ok: true, socket, connection: connectionOf(dialler, socket, facts) });
        return;
      }
      const stage = result.stage === 'verify' ? 'verify-server' : way.isConnected() ? 'handshake' : 'connect';
      settle({ ok: false, failure: { stage, reason: result.reason, detail: result.detail } });
    },
  );
}

function connectionOf(
  dialler: Dialler,
  socket: Socket,
  facts: Partial<TlsFacts> & Pick<OutboundConnection, 'security'>,
): OutboundConnection {
  return { id: dialler.addresses.nextConnectionId(), local: localOf(socket), resumed: false, ...facts };
}

function localOf(socket: Socket): Address {
  return { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
}
