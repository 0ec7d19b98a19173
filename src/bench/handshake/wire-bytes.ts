/**
 * Bytes on the wire, counted by a relay in between.
 * @module
 */
import { connect, createServer } from 'node:net';
import type { Client } from './clients.ts';

export interface WireBytes {
  readonly up: number;
  readonly down: number;
}

/** What one handshake of `client` with the server on `port` sends and receives. */
export async function wireBytes(client: Client, port: number): Promise<WireBytes> {
  // A first one fetches the session where there is one to resume.
  await client.handshake(port);
  let [up, down] = [0, 0];
  const relay = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port });
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', () => socket.destroy());
    near.on('data', (chunk) => {
      up += chunk.length;
      far.write(chunk);
    });
    far.on('data', (chunk) => {
      down += chunk.length;
      near.write(chunk);
    });
    near.once('close', () => far.destroy());
    far.once('end', () => near.end());
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const address = relay.address();
  try {
    await client.handshake(address !== null && typeof address === 'object' ? address.port : 0);
  } finally {
    await new Promise((resolve) => relay.close(resolve));
  }
  return { up, down };
}
