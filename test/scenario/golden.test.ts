/**
 * The transcript of the shop: what `meshproof run` prints, byte for byte. Rewritten by `npx vitest run -u`; commit only
 * what you can explain.
 */
import { describe, expect, it } from 'vitest';
import { meshproof } from '../kit/command-line.ts';

const EXPECTED = new URL('../../scenarios/01-shop/expected.txt', import.meta.url);

/** Ten seconds on a quiet machine. */
const SLOW = { timeout: 300_000 };

/** What the brief's own program prints of the same mesh, figures that are drawn aside. */
const BRIEF = [
  ' Services: 6',
  ' mTLS Coverage: 5/6 (83%)',
  ' Total RPS: 11,700',
  '          api-gateway -> user-service         2000 rps [mTLS]',
  '          api-gateway -> order-service        3000 rps [mTLS]',
  '        order-service -> payment-service      1000 rps [mTLS]',
  '        order-service -> legacy-service        200 rps [PLAIN]',
  '  WARN: legacy-service — mTLS not enabled',
  '  WARN: order-service -> legacy-service — Plain text',
  '  Requests lost: 0',
];

describe('scenarios/01-shop', () => {
  it('prints its transcript, the same twice, and stays silent on stderr but for the time it took', SLOW, async () => {
    const [once, again] = await Promise.all([meshproof(['run']), meshproof(['run', '01-shop', '--seed', 'shop'])]);
    await expect(once.stdout).toMatchFileSnapshot(EXPECTED.pathname);
    expect(again.stdout).toBe(once.stdout);
    const lines = once.stdout.split('\n');
    for (const line of BRIEF) expect(lines).toContain(line);
    for (const { code, stderr } of [once, again]) {
      expect(code).toBe(0);
      expect(stderr).toMatch(/^24h of virtual time in \d+\.\d s\n$/);
    }
  });

  it('prints something else for another seed, and the same facts', SLOW, async () => {
    const [one, other] = await Promise.all([
      meshproof(['run', '--for', '1h', '-o', 'json']),
      meshproof(['run', '--for', '1h', '-o', 'json', '--seed', 'another']),
    ]);
    expect([one.code, other.code]).toEqual([0, 0]);
    const [a, b] = [JSON.parse(one.stdout), JSON.parse(other.stdout)];
    expect(a.services).not.toEqual(b.services);
    expect(a.access).toEqual(b.access);
    expect(a.rotation).toEqual(b.rotation);
  });
});

describe('without rotation', () => {
  it('the run fails at the hour the certificates expire, and says so', SLOW, async () => {
    const { code, stdout } = await meshproof(['run', '--no-rotation', '--for', '25h', '-o', 'json']);
    expect(code).toBe(1);
    const { ok, rotation, end } = JSON.parse(stdout);
    expect({ ok, end }).toEqual({ ok: false, end: '2026-01-02T01:00:00Z' });
    expect(rotation).toMatchObject({ certificatesRotated: 0, certificatesExpired: 8 });
    // Nothing is lost while the certificates are valid; the plaintext flow is the only one to survive.
    expect(rotation.firstLoss.at).toBe(Date.parse('2026-01-02T00:01:00Z'));
    expect(rotation.firstLoss.reason).toMatch(/expired/);
    expect(rotation.requestsLost).toBe(11_500 * 3_600);
  });
});
