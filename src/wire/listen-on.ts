/**
 * Binding a server to loopback, with a clear word where it cannot be done.
 * @module
 */
import type { Server } from 'node:net';
import { messageOf, MeshError } from '../core/index.ts';
import type { Address } from './address-book.ts';

const FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: stop what listens there, or choose another one',
  EACCES: 'permission denied: choose a port from 1024 on',
};

/** @throws MeshError `ERR_WIRE_LISTEN` */
export async function listenOn(
  server: Server,
  { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number },
): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(error, host, port)));
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  return { host, port: bound !== null && typeof bound === 'object' ? bound.port : 0 };
}

function cannotListen(error: Error, host: string, port: number): MeshError {
  const code = 'code' in error ? String(error.code) : '';
  const why = FAULTS[code] ?? messageOf(error);
  return new MeshError('ERR_WIRE_LISTEN', `cannot listen on ${host}:${port}: ${why}`, {
    cause: error,
    details: { host, port },
  });
}
