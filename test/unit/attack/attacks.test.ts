/** Every attack against a mesh as it is, and against its broken twin: a refusal that cannot succeed proves nothing. */
import { describe, expect, it } from 'vitest';
import { attacks, type AttackReport, chooseVictim, findAttack, runAttack } from '../../../src/attack/index.ts';
import { loadManifests, Mesh } from '../../../src/mesh/index.ts';

const SMALL = `
apiVersion: v1
kind: Namespace
metadata: { name: bank, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
${['teller', 'vault'].map(workload).join('---')}`;

function workload(name: string): string {
  return `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: bank }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: bank }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { serviceAccountName: ${name}, containers: [{ name: c, image: c, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: bank }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
}

const shop = await loadManifests('scenarios/01-shop/k8s');
const WORLDS = {
  'a small mesh': () => Mesh.start({ yaml: SMALL }),
  'the shop': () => Mesh.start({ config: shop }),
};

/** Stage and reason with which each attack is refused; a sniffer is refused by nobody. */
const REFUSED: Readonly<Record<string, readonly [stage: string, reason: string] | undefined>> = {
  sniffer: undefined,
  'rogue-ca': ['verify-server', 'untrusted_root'],
  'self-signed': ['verify-server', 'untrusted_root'],
  'other-account': ['verify-server', 'san_mismatch'],
  'expired-certificate': ['verify-server', 'expired'],
  'rogue-client': ['verify-client', 'untrusted_root'],
  'stolen-key': ['verify-client', 'expired'],
  'ticket-replay': ['verify-client', 'revoked'],
  'plaintext-downgrade': ['filter-chain', 'filter_chain_not_found'],
  'version-downgrade': ['handshake', 'inappropriate_fallback'],
  'alpn-downgrade': ['handshake', 'decryption_failed_or_bad_record_mac'],
  'bit-flip': ['record', 'decryption_failed_or_bad_record_mac'],
  hijack: ['record', 'wrong_version_number'],
  'spoofed-xfcc': ['authorize', 'rbac_access_denied_matched_policy[none]'],
  'spoofed-xff': ['authorize', 'rbac_access_denied_matched_policy[none]'],
  'spoofed-host': ['authorize', 'rbac_access_denied_matched_policy[none]'],
};

/** Twins in which the attacker reads the victim's secret, and those in which its own request reaches the application. */
const READS = [
  'sniffer',
  'rogue-ca',
  'self-signed',
  'other-account',
  'expired-certificate',
  'alpn-downgrade',
  'bit-flip',
];
const REACHES = [
  'rogue-client',
  'stolen-key',
  'plaintext-downgrade',
  'bit-flip',
  'hijack',
  'spoofed-xfcc',
  'spoofed-xff',
  'spoofed-host',
];

async function attacked(start: () => Promise<Mesh>, name: string, twin: boolean): Promise<AttackReport> {
  await using mesh = await start();
  return await runAttack(name, mesh, { twin });
}

describe.each(Object.entries(WORLDS))('%s', (_world, start) => {
  it.each(attacks.map(({ name }) => name))('refuses %s', async (name) => {
    const report = await attacked(start, name, false);
    expect(report.verdict).toBe('refused');
    const refusal = REFUSED[name];
    expect(report.refusal && [report.refusal.stage, report.refusal.reason]).toEqual(refusal);
    expect(report.application).toEqual({ requests: 0, bytes: 0 });
    expect(report.captured.secretFound).toBe(false);
    expect(report.captured.connections).toBeGreaterThan(0);
    expect(report.captured.bytesUp).toBeGreaterThan(0);
    expect(report.steps.length).toBeGreaterThan(1);
  });

  it.each(attacks.map(({ name }) => name))('falls to %s where it is broken', async (name) => {
    const report = await attacked(start, name, true);
    expect(report.verdict).toBe('succeeded');
    expect(report.refusal).toBeUndefined();
    if (READS.includes(name)) {
      expect(report.captured.secretFound).toBe(true);
      expect(report.captured.plaintextBytes).toBeGreaterThan(0);
    }
    if (REACHES.includes(name)) expect(report.application.bytes).toBeGreaterThan(0);
  });
});

describe('attacks', () => {
  it('succeed against a mesh that really is open, without a twin', async () => {
    await using mesh = await Mesh.start({ yaml: SMALL.replace('STRICT', 'DISABLE') });
    const report = await runAttack('sniffer', mesh);
    expect(report).toMatchObject({ verdict: 'succeeded', twin: false, captured: { secretFound: true } });
    expect(report.captured.excerpt).toMatch(/^GET \/ HTTP/);
  });

  it('let a man in the middle of plaintext answer', async () => {
    await using mesh = await Mesh.start({ yaml: SMALL.replace('STRICT', 'DISABLE') });
    expect(await runAttack('self-signed', mesh)).toMatchObject({
      verdict: 'succeeded',
      captured: { secretFound: true },
    });
  });

  it('find a PERMISSIVE port', async () => {
    await using mesh = await Mesh.start({ yaml: SMALL.replace('STRICT', 'PERMISSIVE') });
    expect(await runAttack('plaintext-downgrade', mesh)).toMatchObject({ verdict: 'succeeded' });
  });

  it('show certificates of TLS 1.2 to whoever forces it on a client that falls back', async () => {
    const report = await attacked(WORLDS['a small mesh'], 'version-downgrade', true);
    expect(report.evidence).toContainEqual({
      what: 'SPIFFE IDs heard on the link',
      seen: 'yes: TLS 1.2 shows certificates',
    });
    expect(report.evidence).toContainEqual({
      what: 'a client that speaks only TLS 1.0 and 1.1',
      seen: 'tlsv1_alert_protocol_version',
    });
  });

  it('resume nothing but at a server with the defaults of Node', async () => {
    const [real, twin] = [
      await attacked(WORLDS['a small mesh'], 'ticket-replay', false),
      await attacked(WORLDS['a small mesh'], 'ticket-replay', true),
    ];
    const replayed = (report: AttackReport): string[] =>
      report.evidence.filter(({ what }) => what.includes('from before')).map(({ seen }) => seen);
    expect(replayed(real).every((seen) => seen.startsWith('refused') && seen.endsWith('full handshake'))).toBe(true);
    expect(replayed(twin)).toEqual(['200, resumed', '200, resumed']);
    // The revocation itself works at both.
    for (const { evidence } of [real, twin]) expect(evidence[0]?.seen).toMatch(/^refused/);
  });

  it('name what can be named', () => {
    expect(() => findAttack('snifer')).toThrow(/no attack `snifer`.*sniffer/);
  });

  it('choose a call that mutual TLS protects, known ones first', async () => {
    await using mesh = await Mesh.start({ config: shop });
    const known = { from: 'default/order-service', to: 'default/payment-service', method: 'POST', path: '/payments' };
    expect(chooseVictim(mesh, [known])).toEqual(known);
    expect(chooseVictim(mesh).from).toMatch(/^default\//);
  });

  it('say so when there is nothing to attack', async () => {
    await using mesh = await Mesh.start({ yaml: workload('alone') });
    await expect(runAttack('sniffer', mesh)).rejects.toThrow(/no workload with a sidecar/);
  });
});
