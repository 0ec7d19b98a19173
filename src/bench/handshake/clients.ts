/**
 * The client's part of one handshake: connect, prove, wait for the server's first byte, close.
 *
 * In TLS 1.3 a client is done before the server has accepted it, so only the server's first byte ends the time.
 * @module
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { AddressBook, OutboundPool, type OutboundRoute, Seam, type TlsVersion } from '../../wire/index.ts';
import { credentialOf, type Identity, verifierOf } from './endpoint.ts';

export interface Client extends AsyncDisposable {
  /** Performs one handshake with whoever listens on this port of loopback. */
  handshake(port: number): Promise<void>;
}

export interface TlsClientOptions {
  readonly identity: Identity;
  readonly mutual: boolean;
  readonly version: TlsVersion;
  readonly group?: string;
  /** Resume the session of the first handshake; it must succeed. */
  readonly resume?: boolean;
  /** Sent once connected, for servers that answer rather than greet. */
  readonly request?: string;
}

function untilFirstByte(socket: Socket, request: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let isServed = false;
    socket.setNoDelay(true);
    socket.on('error', reject);
    if (request !== undefined) socket.write(request);
    socket.once('data', () => {
      isServed = true;
      socket.destroy();
    });
    socket.once('close', () => (isServed ? resolve() : reject(new Error('closed before the first byte'))));
  });
}

export function plaintextClient(): Client {
  return {
    handshake: (port) => untilFirstByte(connectTcp({ host: '127.0.0.1', port }), undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export function tlsClient({ identity, mutual, version, group, resume = false, request }: TlsClientOptions): Client {
  const secureContext = createSecureContext({
    ca: identity.ca,
    ...(mutual ? { cert: identity.cert, key: identity.key } : {}),
    minVersion: version,
    maxVersion: version,
    ...(group === undefined ? {} : { ecdhCurve: group }),
  });
  // SPIFFE certificates name no host.
  const options = { host: '127.0.0.1', secureContext, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  let session: Buffer | undefined;
  return {
    async handshake(port) {
      if (!resume) return untilFirstByte(connectTls({ ...options, port }), request);
      session ??= await firstSession(connectTls({ ...options, port }));
      const socket = connectTls({ ...options, port, session });
      let isReused = false;
      socket.once('secureConnect', () => (isReused = socket.isSessionReused()));
      await untilFirstByte(socket, request);
      if (!isReused) throw new Error('the session was not resumed');
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function firstSession(socket: TLSSocket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined;
    socket.on('error', reject);
    socket.on('session', (latest) => (session = latest));
    // A TLS 1.3 server sends its ticket after the handshake, before its first byte here.
    socket.once('data', () => socket.destroy());
    socket.once('close', () => (session === undefined ? reject(new Error('no session to resume')) : resolve(session)));
  });
}

export function meshproofClient(identity: Identity, version: TlsVersion, memory: 'remembers' | 'forgets'): Client {
  const addresses = new AddressBook();
  const seam = new Seam(addresses);
  const pool = new OutboundPool({ seam, addresses });
  const credential = credentialOf(identity);
  const verifyServer = verifierOf(identity, 'server', memory);
  const tls = { sni: 'backend', identity: () => credential, verifyServer, minVersion: version, maxVersion: version };
  const link = { source: 'default/frontend', destination: 'default/backend', port: 8080 };
  return {
    async handshake(port) {
      const route: OutboundRoute = { key: 'backend', link, address: { host: '127.0.0.1', port }, tls };
      const answer = await pool.connectTcp(route);
      if (!answer.ok) throw new Error(answer.failure.detail);
      const { stream } = answer;
      await new Promise<void>((resolve, reject) => {
        let isServed = false;
        stream.once('data', () => {
          isServed = true;
          stream.destroy();
        });
        stream.once('close', () => (isServed ? resolve() : reject(new Error('closed before the first byte'))));
      });
    },
    async [Symbol.asyncDispose]() {
      await pool.close();
      await seam.close();
    },
  };
}
