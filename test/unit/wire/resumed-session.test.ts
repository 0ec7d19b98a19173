/** Sessions cannot be resumed at our sidecars; should one be after all, it is refused. Here a context that allows it. */
import { constants } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { acceptTls, type TlsResult } from '../../../src/wire/mutual-tls.ts';
import { pemOf, secure } from './kit/raw-client.ts';
import { BACKEND, FRONTEND, judge } from './kit/world.ts';

async function twice(
  options: SecureContextOptions,
): Promise<{ results: TlsResult[]; wasReused: boolean; bytes: number }> {
  const context = createSecureContext({ ...pemOf(BACKEND), ...options });
  const results: TlsResult[] = [];
  const sockets: Socket[] = [];
  let bytes = 0;
  const server = createServer((raw) => {
    sockets.push(raw);
    acceptTls(raw, { context, verifyClient: judge() }, (result, socket) => {
      results.push(result);
      if (!result.ok) return;
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
      socket.write('hello');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const first = await secure(address, pemOf(FRONTEND));
  const session = await new Promise<Buffer>((resolve) => {
    first.once('session', resolve);
    first.resume();
  });
  // Without its certificate: the session has to do.
  const second = await secure(address, { session });
  const wasReused = second.isSessionReused();
  second.write('stolen');
  await new Promise((resolve) => {
    second.once('close', resolve);
    second.resume();
  });
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  return { results, wasReused, bytes };
}

describe('a resumed session', () => {
  it('is refused before a byte is read, though its ticket is good', async () => {
    const { results, wasReused, bytes } = await twice({ sessionIdContext: 'x' });
    expect(wasReused).toBe(true);
    expect(results).toMatchObject([{ ok: true }, { ok: false, stage: 'verify', reason: 'resumed_session' }]);
    expect(bytes).toBe(0);
  });

  it('does not come about where tickets are off, as they are in every context of ours', async () => {
    const { results, wasReused } = await twice({ sessionIdContext: 'x', secureOptions: constants.SSL_OP_NO_TICKET });
    expect(wasReused).toBe(false);
    expect(results[1]).toMatchObject({ ok: false, reason: 'no_client_certificate' });
  });
});
