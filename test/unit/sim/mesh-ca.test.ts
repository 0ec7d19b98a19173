import { describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH, HOUR_MS, type Instant, MINUTE_MS, Rng } from '../../../src/core/index.ts';
import { workloadSpiffeId } from '../../../src/identity/index.ts';
import { CertificateAuthority, createCsr, generateKeyPair } from '../../../src/pki/index.ts';
import { MeshCa, type MeshCaOptions } from '../../../src/sim/mesh-ca.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import { watchRoot } from '../../../src/sim/root-renewal.ts';

const TD = 'cluster.local';

function world(options: Partial<MeshCaOptions> = {}) {
  const clock = new VirtualClock(DEFAULT_EPOCH);
  const ca = new MeshCa({
    trustDomain: TD,
    acceptedTrustDomains: [TD],
    now: () => clock.now(),
    key: 'ed25519',
    rng: new Rng('mesh-ca'),
    ...options,
  });
  const leaf = (trustDomain = TD, ttlMs = DAY_MS) => {
    const spiffeId = workloadSpiffeId({ trustDomain, namespace: 'shop', serviceAccount: 'web' });
    const chain = ca.sign(createCsr(generateKeyPair('ed25519'), { spiffeId }), { spiffeId, at: clock.now(), ttlMs });
    return { serial: chain[0]?.serial ?? '', der: chain.map(({ der }) => der) };
  };
  const reason = (der: readonly Uint8Array[], trusted = ca.trusted, at: Instant = clock.now()): string => {
    const verdict = ca.verifyClient(der, at, trusted);
    return verdict.ok ? 'ok' : verdict.reason;
  };
  return { clock, ca, leaf, reason };
}

describe('root rotation', () => {
  it('in the safe order every leaf is accepted by everyone with news from the step before or after', () => {
    const { ca, leaf, reason } = world();
    const [before, ofOld] = [ca.trusted, leaf().der];
    ca.rotateRoot('distribute');
    const both = ca.trusted;
    ca.rotateRoot('switch');
    const ofNew = leaf().der;
    ca.rotateRoot('drop');
    const after = ca.trusted;
    expect([reason(ofOld, before), reason(ofOld, both), reason(ofNew, both), reason(ofNew, after)]).toEqual(
      Array.from({ length: 4 }, () => 'ok'),
    );
    expect([reason(ofNew, before), reason(ofOld, after)]).toEqual(['untrusted_root', 'untrusted_root']);
    expect([before, both, after].map(({ roots }) => roots.length)).toEqual([1, 2, 1]);
  });

  it.each([
    ['switch', 'drop', 'distribute'],
    ['drop', 'switch', 'distribute'],
    ['distribute', 'drop', 'switch'],
  ] as const)('ends with the new root alone after %s, %s, %s', (...order) => {
    const { ca, leaf, reason } = world();
    for (const step of order) ca.rotateRoot(step);
    expect(ca.roots).toHaveLength(2);
    expect(ca.root.certificate).toBe(ca.roots[1]);
    expect(ca.trusted.roots).toContain(ca.roots[1]);
    expect(reason(leaf().der)).toBe('ok');
  });

  it('begins another rotation after all three steps, and restores every root that ever was', () => {
    const { ca, leaf, reason } = world();
    const first = leaf().der;
    for (const step of ['distribute', 'switch', 'drop', 'distribute', 'switch'] as const) ca.rotateRoot(step);
    expect(ca.roots).toHaveLength(3);
    ca.rotateRoot('drop');
    expect(reason(first)).toBe('untrusted_root');
    ca.restoreRoots();
    expect(ca.trusted.roots).toEqual(ca.roots);
    expect(reason(first)).toBe('ok');
  });

  it('a root renewed with its key verifies leaves from before, and the old one those from after', () => {
    const { ca, leaf, reason } = world();
    const [before, ofOld] = [ca.trusted, leaf().der];
    ca.renewRoot();
    expect(ca.trusted.roots.map(({ fingerprint }) => fingerprint)).not.toEqual(
      before.roots.map(({ fingerprint }) => fingerprint),
    );
    expect([reason(ofOld), reason(leaf().der, before), reason(leaf().der)]).toEqual(['ok', 'ok', 'ok']);
  });

  it('another intermediate changes nothing for those who verify', () => {
    const { ca, leaf, reason } = world();
    const old = leaf().der;
    const before = ca.intermediate.certificate.serial;
    ca.rotateIntermediate();
    expect(ca.intermediate.certificate.serial).not.toBe(before);
    expect([reason(old), reason(leaf().der)]).toEqual(['ok', 'ok']);
  });
});

describe('watchRoot', () => {
  it('renews the root within an hour of the last fifth of its life, and never before', async () => {
    const { clock, ca } = world({ rootTtlMs: 100 * DAY_MS, rootAgeMs: 79 * DAY_MS });
    using _ = watchRoot(ca, clock, new Rng('watch'));
    const { serial } = ca.root.certificate;
    await clock.advance(DAY_MS - 1);
    expect(ca.root.certificate.serial).toBe(serial);
    await clock.advance(HOUR_MS + 1);
    expect(ca.root.certificate.serial).not.toBe(serial);
    expect(ca.root.certificate.notAfter).toBeGreaterThan(addMs(clock.now(), 99 * DAY_MS));
    await clock.advance(85 * DAY_MS);
    expect(ca.root.certificate.notAfter).toBeGreaterThan(addMs(clock.now(), 90 * DAY_MS));
  });

  it('catches up after an outage', async () => {
    const { clock, ca } = world({ rootTtlMs: 100 * DAY_MS, rootAgeMs: 90 * DAY_MS });
    ca.available = false;
    using _ = watchRoot(ca, clock, new Rng('watch'));
    const { serial } = ca.root.certificate;
    await clock.advance(DAY_MS);
    expect(ca.root.certificate.serial).toBe(serial);
    ca.available = true;
    await clock.advance(HOUR_MS);
    expect(ca.root.certificate.serial).not.toBe(serial);
  });
});

describe('trust domains', () => {
  it('signs for the domain the mesh has moved to, and lets in what the configuration accepts', () => {
    const { ca, leaf, reason } = world();
    const old = leaf().der;
    expect(() => leaf('new.example')).toThrow('not of trust domain');
    ca.accept('new.example', ['new.example', TD]);
    expect([reason(old), reason(leaf('new.example').der)]).toEqual(['ok', 'ok']);
    ca.accept('new.example', ['new.example']);
    expect([reason(old), reason(leaf('new.example').der)]).toEqual(['svid_unknown_trust_domain', 'ok']);
  });

  it('a federated mesh’s roots vouch for its own trust domain alone', () => {
    const { ca, clock, reason } = world();
    const other = CertificateAuthority.createRoot({
      trustDomain: 'partner.example',
      at: clock.now(),
      key: 'ed25519',
      issuesFor: [TD],
    });
    const issue = (trustDomain: string) => {
      const spiffeId = workloadSpiffeId({ trustDomain, namespace: 'shop', serviceAccount: 'web' });
      const csr = createCsr(generateKeyPair('ed25519'), { spiffeId });
      return other.issueSvid(csr, { spiffeId, at: clock.now() }).map(({ der }) => der);
    };
    expect(reason(issue('partner.example'))).toBe('untrusted_root');
    ca.federate('partner.example', [other.certificate]);
    expect([reason(issue('partner.example')), reason(issue(TD))]).toEqual(['ok', 'untrusted_root']);
  });
});

describe('revocation', () => {
  it('refuses a revoked certificate and no other, through rotations and refreshed lists', async () => {
    const { ca, clock, leaf, reason } = world();
    const [stolen, other] = [leaf(TD, 10 * DAY_MS), leaf(TD, 10 * DAY_MS)];
    expect(reason(stolen.der)).toBe('ok');
    ca.revoke(stolen.serial);
    expect([reason(stolen.der), reason(other.der), ca.isRevoked(stolen.serial)]).toEqual(['revoked', 'ok', true]);
    ca.rotateIntermediate();
    for (const step of ['distribute', 'switch'] as const) ca.rotateRoot(step);
    await clock.advance(3 * DAY_MS);
    expect([reason(stolen.der), reason(other.der), reason(leaf().der)]).toEqual(['revoked', 'ok', 'ok']);
  });
});

describe('verdicts', () => {
  it('are given by the clock of who verifies', () => {
    const { ca, clock, leaf, reason } = world();
    const { der } = leaf(TD, HOUR_MS);
    const at = (ms: number) => reason(der, ca.trusted, addMs(clock.now(), ms));
    expect([at(-2 * MINUTE_MS), at(-2 * MINUTE_MS - 1_000), at(HOUR_MS), at(HOUR_MS + 1_000)]).toEqual([
      'ok',
      'not_yet_valid',
      'ok',
      'expired',
    ]);
  });

  it('trust nothing before the first news', () => {
    const { leaf, reason } = world();
    expect(reason(leaf().der, { roots: [], federated: {} })).toBe('untrusted_root');
  });
});
