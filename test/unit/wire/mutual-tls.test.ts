import { describe, expect, it } from 'vitest';
import { listen, secure } from './kit/raw-client.ts';
import { AT, BACKEND, FRONTEND, idOf, judge, ROGUE, SNI, startWorld, svidFor, until } from './kit/world.ts';
import { addMs, DEFAULT_EPOCH, HOUR_MS, MINUTE_MS } from '../../../src/core/index.ts';

const GET = { method: 'GET', path: '/x', host: 'backend' };

describe('mutual TLS between two sidecars', () => {
  it('carries a request, and both sides know each other', async () => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route(), GET);
    expect(answer).toMatchObject({
      ok: true,
      status: 200,
      connection: {
        security: 'mutual_tls',
        principal: idOf('backend'),
        tlsVersion: 'TLSv1.3',
        alpn: 'http/1.1',
        sni: SNI,
        resumed: false,
      },
    });
    if (!answer.ok) return;
    expect(Buffer.from(answer.body).toString()).toBe('hello');
    expect(answer.headers).not.toHaveProperty('date');
    expect(world.seen.opened).toMatchObject([
      {
        security: 'mutual_tls',
        principal: idOf('frontend'),
        sni: SNI,
        alpn: 'http/1.1',
        tlsVersion: 'TLSv1.3',
        resumed: false,
        port: 8080,
        source: { workload: 'default/frontend', ip: '10.0.0.5' },
      },
    ]);
  });

  it('speaks TLS 1.2 where that is asked for', async () => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls: { maxVersion: 'TLSv1.2' } }), GET);
    expect(answer).toMatchObject({ ok: true, connection: { tlsVersion: 'TLSv1.2', principal: idOf('backend') } });
  });

  it('refuses TLS 1.2 at a server whose minimum is 1.3', async () => {
    await using world = await startWorld({ minVersion: 'TLSv1.3' });
    const answer = await world.pool.request(world.route({ tls: { maxVersion: 'TLSv1.2' } }), GET);
    expect(answer).toMatchObject({
      ok: false,
      failure: { stage: 'handshake', reason: 'tlsv1_alert_protocol_version' },
    });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen.refused).toMatchObject([
      { stage: 'handshake', reason: 'unsupported_protocol', applicationBytes: 0 },
    ]);
  });

  it.each([
    { name: 'no certificate', identity: () => undefined, reason: 'no_client_certificate' },
    {
      name: 'a certificate of a rogue authority',
      identity: () => svidFor('frontend', { from: ROGUE }),
      reason: 'untrusted_root',
    },
    {
      name: 'an expired certificate',
      identity: () => svidFor('frontend', { ttlMs: 30 * MINUTE_MS }),
      reason: 'expired',
    },
  ])('refuses a client with $name, which sees a reset before the response', async ({ identity, reason }) => {
    await using world = await startWorld();
    const credential = identity();
    const answer = await world.pool.request(world.route({ tls: { identity: () => credential } }), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen.refused).toMatchObject([
      { stage: 'verify-client', reason, applicationBytes: 0, sni: SNI, source: { workload: 'default/frontend' } },
    ]);
    expect(world.seen).toMatchObject({ requests: 0, opened: [], closed: [] });
  });

  it('tells a client that sends no certificate by the alert, as Envoy does', async () => {
    await using world = await startWorld();
    const heard = await listen(await secure(world.listener.address, {}));
    expect(heard.error).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
    expect(heard.bytes).toHaveLength(0);
  });

  it('fails in the handshake at a client that is refused under TLS 1.2', async () => {
    await using world = await startWorld();
    const answer = await world.pool.request(
      world.route({ tls: { identity: () => undefined, maxVersion: 'TLSv1.2' } }),
      GET,
    );
    const reason = 'sslv3_alert_handshake_failure';
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'handshake', reason } });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen.refused).toMatchObject([{ stage: 'verify-client', reason: 'no_client_certificate' }]);
  });

  it.each([
    { name: 'of another name', tls: { verifyServer: judge({ accept: [idOf('other')] }) }, reason: 'san_mismatch' },
    { name: 'of another authority', tls: { verifyServer: judge({ root: ROGUE }) }, reason: 'untrusted_root' },
    { name: 'that has expired', tls: { verifyServer: judge({ at: addMs(AT, 48 * HOUR_MS) }) }, reason: 'expired' },
  ])('refuses a server $name before a byte is sent', async ({ tls, reason }) => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls }), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'verify-server', reason } });
    await until(() => world.listener.connections === 0);
    expect(world.seen.requests).toBe(0);
  });

  it('refuses when its judge throws', async () => {
    const verifyServer = (): never => {
      throw new Error('broken');
    };
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls: { verifyServer } }), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'verify-server', reason: 'verifier_failed' } });
  });

  it('hands the judge the chain as sent: leaf first, without the root', async () => {
    const seen: (readonly Uint8Array[])[] = [];
    await using world = await startWorld({
      verifyClient: (chain) => {
        seen.push(chain);
        return judge()(chain);
      },
    });
    await world.pool.request(world.route(), GET);
    const sent = FRONTEND.chain.map(({ der }) => Buffer.from(der).toString('hex'));
    expect(sent).toHaveLength(2);
    expect(seen.map((chain) => chain.map((der) => Buffer.from(der).toString('hex')))).toEqual([sent]);
  });

  it('presents a new certificate on new connections and leaves old ones alone', async () => {
    let svid = BACKEND;
    const serials: string[] = [];
    await using world = await startWorld({ identity: () => svid });
    const verifyServer = (chain: readonly Uint8Array[]): ReturnType<ReturnType<typeof judge>> => {
      serials.push(Buffer.from(chain[0] ?? []).toString('hex'));
      return judge()(chain);
    };
    const route = world.route({ tls: { verifyServer } });
    const first = await world.pool.request(route, GET);
    svid = svidFor('backend');
    const second = await world.pool.request(route, GET);
    expect(serials).toHaveLength(1);
    await world.pool.drain();
    const third = await world.pool.request(route, GET);
    expect([first.ok, second.ok, third.ok]).toEqual([true, true, true]);
    expect(new Set(serials).size).toBe(2);
    expect(world.seen.opened).toHaveLength(2);
    expect(DEFAULT_EPOCH).toBeLessThan(AT);
  });
});

describe('server name', () => {
  it.each([
    { sni: SNI, sent: SNI },
    { sni: 'UPPER.example.', sent: 'UPPER.example.' },
    { sni: '', sent: undefined },
    { sni: '10.0.0.1', sent: undefined },
    { sni: '::1', sent: undefined },
  ])('`$sni` is sent as $sent', async ({ sni, sent }) => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls: { sni } }), GET);
    expect(answer.ok && answer.connection.sni).toBe(sent);
    expect(world.seen.opened.map((connection) => connection.sni)).toEqual([sent]);
  });
});
