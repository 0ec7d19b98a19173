import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DAY_MS, DEFAULT_EPOCH, EventLog, HOUR_MS, MINUTE_MS, Rng, SECOND_MS } from '../../../src/core/index.ts';
import { workloadSpiffeId } from '../../../src/identity/index.ts';
import { DEFAULT_ROTATION_POLICY, ROTATION_REASONS } from '../../../src/pki/index.ts';
import { CertificateAgent, type CertificateAgentOptions } from '../../../src/sim/certificate-agent.ts';
import { CA_UNAVAILABLE, MeshCa } from '../../../src/sim/mesh-ca.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';

function world(options: Partial<CertificateAgentOptions> = {}) {
  const clock = new VirtualClock(DEFAULT_EPOCH);
  const events = new EventLog(() => clock.now());
  let trustDomain = 'cluster.local';
  const ca = new MeshCa({
    trustDomain,
    acceptedTrustDomains: [trustDomain],
    now: () => clock.now(),
    key: 'ed25519',
    rng: new Rng('ca'),
  });
  const agent = new CertificateAgent({
    identity: () => workloadSpiffeId({ trustDomain, namespace: 'shop', serviceAccount: 'web' }),
    ca,
    clock,
    events,
    rng: new Rng('agent'),
    key: 'ed25519',
    reproducibleKeys: true,
    policy: DEFAULT_ROTATION_POLICY,
    ...options,
  });
  const kinds = () => events.all().map(({ kind }) => kind.replace('certificate.', ''));
  const failures = () =>
    events.all().flatMap((event) => (event.kind === 'certificate.renewal-failed' ? [event.reason] : []));
  const move = (to: string) => {
    trustDomain = to;
    ca.accept(to, [to, 'cluster.local']);
  };
  return { clock, events, ca, agent, kinds, failures, move };
}

describe('certificate requests', () => {
  it('have their certificate within the instant, and renew halfway', async () => {
    const { clock, agent, kinds } = world();
    agent.start();
    const first = agent.current()?.serial;
    expect(first).toBeDefined();
    expect(agent.renewAt).toBeGreaterThan(clock.now() + 11.7 * HOUR_MS);
    await clock.advance('12h15m');
    expect(agent.current()?.serial).not.toBe(first);
    expect(kinds()).toEqual(['issued', 'issued']);
  });

  it('that are slow arrive late, and meet an outage that began meanwhile', async () => {
    const { clock, agent, ca, failures } = world({ csr: { latencyMs: 5 * SECOND_MS } });
    agent.start();
    await clock.advance('4s');
    expect(agent.current()).toBeUndefined();
    await clock.advance('2s');
    expect(agent.current()?.receivedAt).toBe(DEFAULT_EPOCH + 5 * SECOND_MS);
    agent.renew();
    ca.available = false;
    await clock.advance('5s');
    expect(failures()).toEqual([CA_UNAVAILABLE]);
  });

  it('that take longer than the agent waits time out, again and again', async () => {
    const { clock, agent, failures } = world({ csr: { latencyMs: 11 * SECOND_MS } });
    agent.start();
    await clock.advance('1m');
    expect(agent.current()).toBeUndefined();
    expect(failures().length).toBeGreaterThan(2);
    expect(new Set(failures())).toEqual(new Set([ROTATION_REASONS.timeout]));
    agent.csr = {};
    await clock.advance('2m');
    expect(agent.current()).toBeDefined();
  });

  it('that are refused say why, and the certificate in use stays', async () => {
    const { clock, agent, failures } = world();
    agent.start();
    const held = agent.current();
    agent.csr = { refusal: 'caller is not authenticated' };
    agent.renew();
    await clock.advance('1s');
    expect(failures()[0]).toBe('caller is not authenticated');
    expect(agent.current()).toBe(held);
  });

  it('back off where the certificate is due as it arrives', async () => {
    const { clock, agent, failures } = world({ policy: { ...DEFAULT_ROTATION_POLICY, graceRatio: 1, jitterRatio: 0 } });
    agent.start();
    await clock.advance('1s');
    expect(new Set(failures())).toEqual(new Set([ROTATION_REASONS.dueOnArrival]));
    expect(agent.current()).toBeDefined();
  });

  it('name the identity the configuration gives at that moment', async () => {
    const { clock, agent, move } = world();
    agent.start();
    move('new.example');
    expect(agent.spiffeId).toContain('cluster.local');
    await clock.advance('13h');
    expect(agent.spiffeId).toContain('new.example');
  });
});

describe('reasons of a failed renewal', () => {
  it('are documented', () => {
    const text = readFileSync(new URL('../../../docs/reference/rotation-reasons.md', import.meta.url), 'utf8');
    const documented = [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, reason]) => reason);
    expect(documented).toEqual(expect.arrayContaining([...Object.values(ROTATION_REASONS), CA_UNAVAILABLE]));
  });
});

describe('suspension', () => {
  it('keeps the certificate, whose expiry is still reported once', async () => {
    const { clock, agent, kinds } = world();
    agent.start();
    agent.suspend();
    await clock.advance(2 * DAY_MS);
    expect(kinds()).toEqual(['issued', 'expired']);
    agent.resume();
    await clock.advance('1s');
    expect(kinds()).toEqual(['issued', 'expired', 'issued']);
  });

  it('misses pushes, and hears of the last of them afterwards', () => {
    const { agent, ca } = world();
    agent.start();
    const before = agent.trusted;
    agent.suspend();
    ca.rotateRoot('distribute');
    agent.push(ca.trusted, { renew: false });
    ca.rotateRoot('drop');
    agent.push(ca.trusted, { renew: false });
    expect(agent.trusted).toBe(before);
    agent.resume();
    expect(agent.trusted).toBe(ca.trusted);
  });

  it('resume without suspend changes nothing', async () => {
    const { clock, agent, kinds } = world();
    agent.start();
    agent.resume();
    await clock.advance('13h');
    expect(kinds()).toEqual(['issued', 'issued']);
  });
});

describe('trusted roots', () => {
  it('come with a certificate, and otherwise only by a push', async () => {
    const { clock, agent, ca, events } = world();
    agent.start();
    ca.rotateRoot('distribute');
    await clock.advance('1h');
    expect(agent.trusted.roots).toHaveLength(1);
    agent.push(ca.trusted, { renew: false });
    expect(agent.trusted.roots).toHaveLength(2);
    ca.rotateRoot('drop');
    agent.renew();
    expect(agent.trusted).toBe(ca.trusted);
    const changes = events.all().flatMap((event) => (event.kind === 'trust.changed' ? [event.roots.length] : []));
    expect(changes).toEqual([2, 1]);
  });
});

describe('the workload’s clock', () => {
  it('decides when a certificate seems expired', async () => {
    const { clock, agent, kinds } = world();
    agent.start();
    agent.stepClock(DAY_MS + MINUTE_MS);
    expect(agent.now()).toBe(clock.now() + DAY_MS + MINUTE_MS);
    await clock.advance(0);
    expect(kinds()).toEqual(['issued', 'clock.stepped', 'expired']);
  });
});
