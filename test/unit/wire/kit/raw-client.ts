/** Clients that are no sidecars: bytes on a socket, and node:tls by itself. */
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Address, Credential } from '../../../../src/wire/index.ts';

export interface Heard {
  readonly bytes: Buffer;
  readonly error: string | undefined;
}

/** Sends `chunks`, then waits until the server closes (or `enough` was heard) and tells what it said. */
export async function say(address: Address, chunks: readonly (Uint8Array | string)[], enough?: string): Promise<Heard> {
  const socket = connect({ host: address.host, port: address.port, noDelay: true });
  const heard = listen(socket, enough);
  for (const chunk of chunks) {
    await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return heard;
}

export function listen(socket: Socket, enough?: string): Promise<Heard> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let error: string | undefined;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (enough !== undefined && Buffer.concat(chunks).includes(enough)) socket.destroy();
    });
    socket.on('error', (failure: Error & { code?: string }) => (error = failure.code ?? failure.message));
    socket.once('close', () => resolve({ bytes: Buffer.concat(chunks), error }));
  });
}

export function pemOf(credential: Credential): { readonly cert: string; readonly key: string } {
  const cert = credential.chain
    .map(
      ({ der }) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');
  return { cert, key: credential.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

export async function secure(address: Address, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: address.host, port: address.port, rejectUnauthorized: false, ...options });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('close', () => reject(new Error('closed before the handshake was done')));
  });
  return socket;
}

/** A real ClientHello, recorded from node:tls. */
export async function recordClientHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const hello = new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (bytes: Buffer) => {
        socket.destroy();
        resolve(bytes);
      });
    }),
  );
  const client = connectTls({
    host: '127.0.0.1',
    port: bound !== null && typeof bound === 'object' ? bound.port : 0,
    ...options,
  });
  client.on('error', () => undefined);
  const bytes = await hello;
  await new Promise((resolve) => server.close(resolve));
  return bytes;
}

/** A proxy that sends on what a client says one byte at a time. */
export async function splitBytes(to: Address): Promise<{ readonly address: Address; close(): Promise<void> }> {
  const splitter = createServer((client) => {
    const server = connect({ host: to.host, port: to.port, noDelay: true });
    const waiting: number[] = [];
    const sendOne = (): void => {
      const byte = waiting.shift();
      if (byte === undefined || server.destroyed) return;
      server.write(Uint8Array.of(byte));
      setImmediate(sendOne);
    };
    client.on('data', (chunk: Buffer) => {
      if (waiting.length === 0) setImmediate(sendOne);
      waiting.push(...chunk);
    });
    server.on('data', (chunk: Buffer) => client.write(chunk));
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => splitter.listen(0, '127.0.0.1', resolve));
  const bound = splitter.address();
  return {
    address: { host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 },
    close: () => new Promise((resolve) => void splitter.close(() => resolve())),
  };
}
