import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/index.ts';
import { CLIENT_HELLO_BYTES_MAX, readClientHello } from '../../../src/wire/client-hello.ts';
import { classify } from '../../../src/wire/first-flight.ts';
import { recordClientHello, say } from './kit/raw-client.ts';
import { ISTIO_HTTP_ALPN, SNI, startWorld, until } from './kit/world.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The same handshake message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

describe('ClientHello', () => {
  it.each([
    { servername: SNI, ALPNProtocols: [...ISTIO_HTTP_ALPN] },
    { servername: 'x', ALPNProtocols: ['h2'], maxVersion: 'TLSv1.2' as const },
  ])('of node:tls: server name and ALPN as sent', async (options) => {
    const hello = await recordClientHello(options);
    const expected = { state: 'hello', sni: options.servername, alpn: options.ALPNProtocols };
    expect(readClientHello(hello)).toEqual(expected);
    expect(readClientHello(Buffer.concat([hello, bytes('more')]))).toEqual(expected);
    for (const size of [1, 2, 3, 7, 100]) expect(readClientHello(inRecords(hello, size))).toEqual(expected);
  });

  it('without extensions of interest', async () => {
    expect(readClientHello(await recordClientHello({}))).toEqual({ state: 'hello', alpn: [] });
  });

  it('is incomplete at every shorter length', async () => {
    const hello = await recordClientHello({ servername: SNI, ALPNProtocols: [...ISTIO_HTTP_ALPN] });
    for (let length = 1; length < hello.length; length++) {
      expect({
        length,
        read: readClientHello(hello.subarray(0, length)),
        flight: classify(hello.subarray(0, length)),
      }).toEqual({
        length,
        read: { state: 'incomplete' },
        flight: undefined,
      });
    }
  });

  it('is too large above 16 KiB, and known to be before it is all there', () => {
    const head = Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x40, 0]);
    expect(CLIENT_HELLO_BYTES_MAX).toBe(0x4000);
    expect(readClientHello(head)).toEqual({ state: 'too-large' });
    expect(classify(head)).toMatchObject({ state: 'refused', reason: 'client_hello_too_large' });
  });

  it('never throws and never runs away, whatever is changed in it', async () => {
    const rng = new Rng('first-flight');
    const hello = await recordClientHello({ servername: SNI, ALPNProtocols: [...ISTIO_HTTP_ALPN] });
    const states = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const changed = Buffer.from(hello);
      for (let n = rng.integer(1, 3); n > 0; n--)
        changed[rng.integer(0, rng.chance(0.5) ? 60 : hello.length - 1)] = rng.integer(0, 255);
      const { state } = readClientHello(changed.subarray(0, rng.integer(0, hello.length)));
      states.set(state, (states.get(state) ?? 0) + 1);
    }
    expect([...states.keys()].sort()).toEqual(['hello', 'incomplete', 'malformed', 'too-large']);
  });
});

describe('first bytes', () => {
  it.each([
    { text: 'GET / HTTP/1.1\r\n', looksLike: 'http' },
    { text: 'PROPFIND /a HTTP/1.0\n', looksLike: 'http' },
    { text: 'GET / FTP/1.1\r\n', looksLike: 'tcp' },
    { text: 'GETX', looksLike: 'tcp' },
    { text: 'get / HTTP/1.1\r\n', looksLike: 'tcp' },
    { text: '\0', looksLike: 'tcp' },
    { text: ' GET', looksLike: 'tcp' },
    { text: '\u0016\u0002', looksLike: 'tcp' },
    { text: `GET /${'x'.repeat(9_000)}`, looksLike: 'tcp' },
  ])('$text.length bytes are $looksLike', ({ text, looksLike }) => {
    expect(classify(bytes(text))).toEqual({ state: 'flight', flight: { kind: 'raw', looksLike } });
  });

  it('the preface of HTTP/2 is HTTP', () => {
    const flight = { kind: 'raw', looksLike: 'http', isHttp2: true };
    expect(classify(bytes('PRI * HTTP/2.0\r\n'))).toEqual({ state: 'flight', flight });
  });

  it.each(['', 'G', 'GET', 'GET ', 'GET / HTTP/1.1', 'PR', '\u0016', '\u0016\u0003'])('%j: more are needed', (text) => {
    expect(classify(bytes(text))).toBeUndefined();
  });
});

describe('hostile first flights', () => {
  it('cost what their length says: thousands of records of one byte, looked at again and again', () => {
    const hello = Buffer.alloc(5 + 5_400);
    hello.set([1, 0, 0x3f, 0], 5);
    const flight = inRecords(hello, 1);
    for (let i = 0; i < 200; i++) expect(classify(flight)).toBeUndefined();
  });

  it('do not reach an application, do not crash a listener, and do not stay', async () => {
    const rng = new Rng('hostile');
    await using world = await startWorld({ handshakeTimeoutMs: 400 });
    const hello = await recordClientHello({ servername: SNI, ALPNProtocols: [...ISTIO_HTTP_ALPN] });
    const flight = (): Uint8Array => {
      const kind = rng.integer(0, 3);
      if (kind === 0) return rng.bytes(rng.integer(1, 400));
      if (kind === 1) return Buffer.concat([Buffer.from([0x16, 3]), rng.bytes(rng.integer(0, 300))]);
      const changed = Buffer.from(hello);
      for (let n = rng.integer(1, 8); n > 0; n--) changed[rng.integer(0, hello.length - 1)] = rng.integer(0, 255);
      return kind === 2 ? changed : changed.subarray(0, rng.integer(1, hello.length));
    };
    const rounds = process.env['MESHPROOF_LONG'] === '1' ? 40 : 3;
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: 400 }, () => say(world.listener.address, [flight()])));
    }
    expect(world.seen).toMatchObject({ requests: 0, opened: [] });
    expect(world.seen.refused.length).toBeGreaterThan(rounds * 380);
    expect(new Set(world.seen.refused.map(({ stage }) => stage))).toEqual(new Set(['filter-chain', 'handshake']));
    expect(world.seen.refused.every(({ applicationBytes }) => applicationBytes === 0)).toBe(true);
    const answer = await world.pool.request(world.route(), { method: 'GET', path: '/', host: 'b' });
    expect(answer).toMatchObject({ ok: true, status: 200 });
    await until(() => world.listener.connections === 1);
  });
});
