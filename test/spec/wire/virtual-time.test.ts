/**
 * Decision 1, clause by clause: virtual time governs certificates on real connections, and no second fault hides behind
 * a date. Verifier and sidecars are the real ones; the machine's clock plays no part (it is past every date in here, or
 * before it, and both kinds of certificate are accepted).
 */
import { describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH, HOUR_MS, type Instant, instantOf, MINUTE_MS } from '../../../src/core/index.ts';
import { parseSpiffeId } from '../../../src/identity/index.ts';
import { CertificateAuthority, issueSvid, type Svid, SvidVerifier, TrustBundleSet } from '../../../src/pki/index.ts';
import type { VerifyPeer } from '../../../src/wire/index.ts';
import { pemOf, secure } from '../../unit/wire/kit/raw-client.ts';
import { startWorld, until, type World } from '../../unit/wire/kit/world.ts';

const GET = { method: 'GET', path: '/', host: 'backend' };
/** Long past, and far ahead, on any machine this runs on. */
const EPOCHS = [instantOf(Date.UTC(2001, 0, 1)), DEFAULT_EPOCH, instantOf(Date.UTC(2045, 0, 1))];

class Mesh {
  at: Instant;
  readonly authority: CertificateAuthority;
  frontend: Svid;
  backend: Svid;
  readonly #bundles: TrustBundleSet;
  readonly #verifier = new SvidVerifier();

  constructor(epoch: Instant) {
    this.at = addMs(epoch, HOUR_MS);
    this.authority = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at: epoch });
    this.#bundles = TrustBundleSet.of({ 'cluster.local': [this.authority.root] });
    this.frontend = svid(this.authority, 'frontend', epoch);
    this.backend = svid(this.authority, 'backend', epoch);
  }

  verifier(purpose: 'client' | 'server'): VerifyPeer {
    return (chain) => {
      const result = this.#verifier.verifyDer(chain, { bundles: this.#bundles, at: this.at, purpose });
      return result.ok ? { ok: true, principal: result.spiffeId, validUntil: result.validUntil } : result;
    };
  }

  start(): Promise<World> {
    return startWorld({ identity: () => this.backend, verifyClient: this.verifier('client') });
  }

  request(world: World, key = 'backend'): ReturnType<World['pool']['request']> {
    const tls = { identity: () => this.frontend, verifyServer: this.verifier('server') };
    return world.pool.request(world.route({ key, tls }), GET);
  }
}

function svid(authority: CertificateAuthority, account: string, at: Instant, ttlMs: number = DAY_MS): Svid {
  return issueSvid(authority, {
    spiffeId: parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${account}`),
    at,
    ttlMs,
  });
}

describe('virtual time on the wire', () => {
  it.each(EPOCHS)(
    'virtual-time/accepts: certificates valid at %d are good then, whatever the machine thinks',
    async (epoch) => {
      const mesh = new Mesh(epoch);
      await using world = await mesh.start();
      expect(await mesh.request(world)).toMatchObject({ ok: true, connection: { security: 'mutual_tls' } });
    },
  );

  it('virtual-time/expires: the last instant is good, a second later is not, for client and server', async () => {
    const mesh = new Mesh(DEFAULT_EPOCH);
    await using world = await mesh.start();
    mesh.at = mesh.frontend.notAfter;
    expect(await mesh.request(world, 'a')).toMatchObject({ ok: true });
    mesh.at = addMs(mesh.frontend.notAfter, 1_000);
    expect(await mesh.request(world, 'b')).toMatchObject({
      ok: false,
      failure: { stage: 'verify-server', reason: 'expired' },
    });
    mesh.backend = svid(mesh.authority, 'backend', mesh.at);
    expect(await mesh.request(world, 'c')).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
    await until(() => world.seen.refused.some(({ stage }) => stage === 'verify-client'));
    expect(world.seen.refused.at(-1)).toMatchObject({ stage: 'verify-client', reason: 'expired', applicationBytes: 0 });
    mesh.frontend = svid(mesh.authority, 'frontend', mesh.at);
    expect(await mesh.request(world, 'd')).toMatchObject({ ok: true });
  });

  it('virtual-time/not-yet: a certificate of tomorrow is refused today', async () => {
    const mesh = new Mesh(DEFAULT_EPOCH);
    await using world = await mesh.start();
    mesh.frontend = svid(mesh.authority, 'frontend', addMs(mesh.at, DAY_MS));
    expect(await mesh.request(world)).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen.refused).toMatchObject([{ reason: 'not_yet_valid' }]);
  });

  it('virtual-time/keeps: a connection outlives the certificate it was opened with', async () => {
    const mesh = new Mesh(DEFAULT_EPOCH);
    await using world = await mesh.start();
    await mesh.request(world);
    mesh.at = addMs(mesh.at, 7 * DAY_MS);
    expect(await mesh.request(world)).toMatchObject({ ok: true });
    expect(world.seen.opened).toHaveLength(1);
    expect(world.seen.opened[0]?.principalValidUntil).toBeLessThan(mesh.at);
  });

  it('virtual-time/resumption: a session of a certificate that has expired since gains nothing', async () => {
    const mesh = new Mesh(DEFAULT_EPOCH);
    await using world = await mesh.start();
    const first = await secure(world.listener.address, pemOf(mesh.frontend));
    let session: Buffer | undefined = first.getSession();
    first.on('session', (ticket: Buffer) => (session = ticket));
    first.write('GET / HTTP/1.1\r\nHost: b\r\n\r\n');
    await new Promise((resolve) => first.once('data', resolve));
    first.destroy();
    mesh.at = addMs(mesh.at, 2 * DAY_MS);
    const options = session === undefined ? {} : { session };
    const second = await secure(world.listener.address, { ...pemOf(mesh.frontend), ...options });
    await new Promise((resolve) => second.once('close', resolve));
    expect(world.seen).toMatchObject({ requests: 1, refused: [{ stage: 'verify-client', reason: 'expired' }] });
  });
});

describe('no fault hides behind a date', () => {
  const rogue = (at: Instant, ttlMs = 3650 * DAY_MS): CertificateAuthority =>
    CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at, ttlMs });
  const EXPIRED = HOUR_MS / 2;

  const cases: readonly {
    readonly name: string;
    readonly forge: (mesh: Mesh) => Svid;
    readonly reason: string | RegExp;
  }[] = [
    {
      name: 'expired and of an untrusted root',
      forge: () => svid(rogue(DEFAULT_EPOCH), 'frontend', DEFAULT_EPOCH, EXPIRED),
      reason: /untrusted_root|expired/,
    },
    {
      name: 'valid under an expired root of an attacker',
      forge: (mesh) => {
        const root = rogue(addMs(DEFAULT_EPOCH, -DAY_MS), DAY_MS + 30 * MINUTE_MS);
        expect(root.certificate.notAfter).toBeLessThan(mesh.at);
        return svid(root, 'frontend', DEFAULT_EPOCH, 20 * MINUTE_MS);
      },
      reason: /untrusted_root|expired/,
    },
    {
      name: 'valid, under a root of the same name with another key',
      forge: () => svid(rogue(DEFAULT_EPOCH), 'frontend', DEFAULT_EPOCH),
      reason: /untrusted_root|bad_signature/,
    },
    {
      name: 'sent with the real root, but signed by an intermediate of somebody else',
      forge: (mesh) => {
        const forged = svid(rogue(DEFAULT_EPOCH).createIntermediate({ at: DEFAULT_EPOCH }), 'frontend', DEFAULT_EPOCH);
        return { ...forged, chain: [...forged.chain, mesh.authority.root] };
      },
      reason: /untrusted_root|bad_signature/,
    },
    {
      name: 'a workload acting as an authority',
      forge: (mesh) => {
        const minted = CertificateAuthority.createRoot({
          trustDomain: 'cluster.local',
          at: DEFAULT_EPOCH,
          keyPair: mesh.frontend.key,
        });
        const forged = svid(minted, 'admin', DEFAULT_EPOCH);
        return { ...forged, chain: [...forged.chain, ...mesh.frontend.chain] };
      },
      reason: /untrusted_root|bad_signature/,
    },
  ];

  it.each(cases)('virtual-time/masking: $name is refused', async ({ forge, reason }) => {
    const mesh = new Mesh(DEFAULT_EPOCH);
    await using world = await mesh.start();
    mesh.frontend = forge(mesh);
    expect(await mesh.request(world)).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen).toMatchObject({
      requests: 0,
      opened: [],
      refused: [{ stage: 'verify-client', applicationBytes: 0 }],
    });
    expect(world.seen.refused[0]?.reason).toMatch(reason);
  });
});
