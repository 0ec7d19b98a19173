/**
 * Opens one connection the way a client sidecar does: through the seam, entered in the address book, the server's
 * chain judged before anything is sent.
 * @module
 */
import { connect, isIP, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { ConnectionSecurity } from '../core/index.ts';
import type { Address, AddressBook, VirtualPeer } from './address-book.ts';
import { connectTls, type TlsFacts } from './mutual-tls.ts';
import type { OutboundConnection, OutboundFailure, OutboundRoute, OutboundTls } from './outbound.ts';
import type { Seam } from './seam.ts';
import { secureContextOf } from './secure-context.ts';
import { detailOf, reasonOf } from './socket-error.ts';

/** Wall time, so longer than Istio's 10 s: results must not depend on the machine's load. */
export const CONNECT_TIMEOUT_MS = 30_000;

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
  const id = dialler.addresses.nextConnectionId();
  const source: VirtualPeer = {
    workload: route.link.source,
    connection: id,
    ...(route.virtualSourceIp !== undefined && { ip: route.virtualSourceIp }),
  };
  const passage = dialler.seam.passage(route.link, { address: route.address, source });
  if (passage === undefined) return open({ route, source, id }, route, dialler);
  const way = await passage;
  if (!way.ok) {
    return { ok: false, failure: { stage: 'connect', reason: way.reason, detail: way.detail, connectionId: id } };
  }
  try {
    const dialled = await open({ route, source, id }, way, dialler);
    if (dialled.ok) dialled.socket.once('close', () => way.release());
    else way.release();
    return dialled;
  } catch (error) {
    way.release();
    throw error;
  }
}

/** One try. */
interface Dialling {
  readonly route: OutboundRoute;
  readonly source: VirtualPeer;
  readonly id: number;
}

/** Starts a connection; `settle` is called once or more, the first call counts. */
type Attempt = (settle: (dialled: Dialled) => void) => Socket;

/** Where to dial, and who is told the secrets. */
interface Way {
  readonly address: Address;
  readonly onSecret?: (line: Uint8Array) => void;
  /** The end that the server sees where something is in between. */
  onward?(): Address | undefined;
}

function open(dialling: Dialling, way: Way, dialler: Dialler): Promise<Dialled> {
  const { tls, halfOpen = false } = dialling.route;
  const { id } = dialling;
  if (tls === undefined) return ready(plainly(way, { id, halfOpen }), dialling, dialler);
  const credential = tls.identity();
  const context = secureContextOf(credential, tls);
  if (!context.ok) {
    return Promise.resolve(failed('handshake', 'unusable_credential', context.detail));
  }
  const security = credential === undefined ? 'tls' : 'mutual_tls';
  const attempt = securely({ tls, way, security, context: context.context, id, halfOpen });
  return ready(attempt, dialling, dialler);
}

/** Runs an attempt under a time limit, and enters its socket in the books. */
function ready(attempt: Attempt, { route, source, id }: Dialling, dialler: Dialler): Promise<Dialled> {
  return new Promise((resolve) => {
    let isConnected = false;
    const timer = setTimeout(() => {
      resolve(isConnected ? failed('handshake', 'handshake_timeout') : failed('connect', 'connect_timeout'));
      socket.destroy();
    }, route.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    timer.unref();
    const socket = attempt((dialled) => {
      clearTimeout(timer);
      // Before it is connected, a failure of any layer is one to connect.
      if (dialled.ok) {
        resolve(dialled);
        return;
      }
      const { failure } = dialled;
      const stage = isConnected ? failure.stage : 'connect';
      resolve({ ok: false, failure: { ...failure, stage, connectionId: id } });
    });
    dialler.adopt(socket);
    socket.setNoDelay(true);
    // First of all listeners: before a byte is sent.
    socket.prependOnceListener('connect', () => {
      isConnected = true;
      const entry = dialler.addresses.register({ local: localOf(socket), remotePort: socket.remotePort ?? 0 }, source);
      socket.once('close', () => entry[Symbol.dispose]());
    });
  });
}

function plainly(way: Way, { id, halfOpen }: { readonly id: number; readonly halfOpen: boolean }): Attempt {
  return (settle) => {
    const socket = connect({ host: way.address.host, port: way.address.port, allowHalfOpen: halfOpen });
    socket.once('connect', () =>
      settle({ ok: true, socket, connection: connectionOf(id, { socket, way }, { security: 'none' }) }),
    );
    socket.on('error', (error) => settle(failed('connect', reasonOf(error, 'connect_failed'), detailOf(error))));
    socket.once('close', () => settle(failed('connect', 'connection_closed')));
    return socket;
  };
}

interface SecureOptions {
  readonly way: Way;
  readonly tls: OutboundTls;
  readonly security: ConnectionSecurity;
  readonly context: SecureContext;
  readonly id: number;
  readonly halfOpen: boolean;
}

function securely({ tls, way, security, context, id, halfOpen }: SecureOptions): Attempt {
  const { alpn, verifyServer } = tls;
  const { address, onSecret } = way;
  const sni = tls.sni === undefined || tls.sni === '' || isIP(tls.sni) !== 0 ? undefined : tls.sni;
  const options = {
    address,
    context,
    halfOpen,
    verifyServer,
    ...(onSecret && { onSecret }),
    ...(sni !== undefined && { sni }),
    ...(alpn && { alpn }),
  };
  return (settle) =>
    connectTls(options, (result, socket) => {
      if (!result.ok) {
        settle(failed(result.stage === 'verify' ? 'verify-server' : 'handshake', result.reason, result.detail));
        return;
      }
      const facts = { security, ...result.facts, ...(sni !== undefined && { sni }) };
      settle({ ok: true, socket, connection: connectionOf(id, { socket, way }, facts) });
    });
}

function failed(stage: OutboundFailure['stage'], reason: string, detail: string = reason): Dialled & { ok: false } {
  return { ok: false, failure: { stage, reason, detail } };
}

function connectionOf(
  id: number,
  { socket, way }: { readonly socket: Socket; readonly way: Way },
  facts: Partial<TlsFacts> & Pick<OutboundConnection, 'security'>,
): OutboundConnection {
  const local = localOf(socket);
  return {
    id,
    // Looked up when it is asked for: what is in between connects on its own time.
    get local() {
      return way.onward?.() ?? local;
    },
    resumed: false,
    ...facts,
  };
}

function localOf(socket: Socket): Address {
  return { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
}
