/**
 * Certificates of a running mesh: renewed on Istio's schedule, read by OpenSSL, shown on new connections, and the run
 * that does without renewals.
 */
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { addMs, HOUR_MS, MINUTE_MS } from '../../src/core/index.ts';
import { Mesh, runScenario } from '../../src/mesh/index.ts';
import { certificatesToPem, type Svid } from '../../src/pki/index.ts';
import { HAS_OPENSSL, openssl } from '../kit/openssl.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const YAML = manifests(workloadYaml('client'), workloadYaml('server'), peerAuthenticationYaml('STRICT'));
const LIFETIME_MS = 24 * HOUR_MS;

function certificateOf(mesh: Mesh, workload: string): Svid {
  const svid = mesh.svid(workload);
  if (svid === undefined) throw new Error(`${workload} has no certificate`);
  return svid;
}

/** Serial number of the certificate a server shows on a new connection, asked by plain `node:tls`. */
async function serialShown(mesh: Mesh): Promise<string> {
  const [server] = (await mesh.simulation.listenAll()).filter(({ workload }) => workload.name === 'server');
  const { chain, key } = certificateOf(mesh, 'default/client');
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        ...server?.sidecar.address,
        cert: certificatesToPem(chain),
        key: key.privateKeyPem(),
        ALPNProtocols: ['istio-http/1.1'],
        // Dates are virtual: this client reads the certificate, it does not judge it.
        rejectUnauthorized: false,
      },
      () => {
        resolve(socket.getPeerCertificate().serialNumber.toLowerCase());
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}

describe('renewal', () => {
  it("follows Istio's schedule for every workload of the shop: half of the lifetime left, jittered, each at its own time", async () => {
    const run = await runScenario('01-shop', { for: '24h' });
    await using mesh = run.mesh;
    const issued = mesh.events.all().filter((event) => event.kind === 'certificate.issued');
    const first = issued.filter(({ reason }) => reason === 'initial');
    expect(first).toHaveLength(8);
    const at: number[] = [];
    for (const { spiffeId, at: issuedAt, notAfter } of first) {
      const renewal = issued.find((event) => event.spiffeId === spiffeId && event.reason === 'rotation');
      // rotateTime: notAfter - lifetime * (0.5 ± 0.01), the lifetime counted from the issue.
      const lifetime = notAfter - issuedAt;
      expect(lifetime).toBe(LIFETIME_MS);
      const left = (notAfter - (renewal?.at ?? notAfter)) / lifetime;
      expect(left).toBeGreaterThanOrEqual(0.49);
      expect(left).toBeLessThanOrEqual(0.51);
      at.push(renewal?.at ?? 0);
    }
    expect(new Set(at).size).toBe(8);
    expect(run.expectations).toMatchObject([{ ok: true }]);
  });

  it('new connections show the new certificate; nobody notices', async () => {
    await using mesh = await Mesh.start({ yaml: YAML });
    const before = certificateOf(mesh, 'default/server');
    expect(await serialShown(mesh)).toBe(before.serial);
    await mesh.clock.advance('13h');
    const after = certificateOf(mesh, 'default/server');
    expect(after.serial).not.toBe(before.serial);
    expect(await serialShown(mesh)).toBe(after.serial);
    expect(await mesh.request({ from: 'default/client', to: 'default/server' })).toMatchObject({ result: 'allow' });
  });
});

describe.skipIf(!HAS_OPENSSL)('openssl (skipped: not installed)', () => {
  it('reads an X.509-SVID: name, purpose, dates, and the chain to the root of the mesh', async () => {
    await using mesh = await Mesh.start({ yaml: YAML });
    const { chain, notAfter } = certificateOf(mesh, 'default/server');
    const [leaf, ...intermediates] = chain.map((certificate) => certificate.toPem());
    const { output } = openssl(['x509', '-in', '@leaf', '-noout', '-text', '-dates'], { leaf: leaf ?? '' });
    expect(output).toContain('URI:spiffe://cluster.local/ns/default/sa/server');
    expect(output).toMatch(/Subject Alternative Name: critical/);
    expect(output).toMatch(
      /TLS Web Server Authentication, TLS Web Client Authentication|TLS Web Client Authentication, TLS Web Server Authentication/,
    );
    expect(output).toContain('CA:FALSE');
    expect(output).toContain('notAfter=Jan  2 00:00:00 2026 GMT');
    const root = mesh.simulation.ca.root.certificate.toPem();
    const verify = (at: number): boolean =>
      openssl(['verify', '-attime', String(at / 1000), '-CAfile', '@root', '-untrusted', '@between', '@leaf'], {
        root,
        between: intermediates.join(''),
        leaf: leaf ?? '',
      }).ok;
    expect(verify(mesh.clock.now())).toBe(true);
    expect(verify(notAfter + 1_000)).toBe(false);
  });
});

describe('a mesh whose certificates are not renewed', () => {
  it('works until the second they expire, and not a second longer', async () => {
    await using mesh = await Mesh.start({ yaml: YAML });
    for (const { agent } of mesh.simulation.agents()) agent.suspend();
    const { notAfter } = certificateOf(mesh, 'default/client');
    expect(notAfter).toBe(addMs(mesh.clock.now(), LIFETIME_MS));
    const call = async (): Promise<string> => {
      // A connection of its own each time: one that is open outlives its certificate.
      await mesh.simulation.closeConnections('default/client', 'default/server');
      const { result, refusal } = await mesh.request({ from: 'default/client', to: 'default/server' });
      return refusal === undefined ? result : `${result} ${refusal.reason}`;
    };
    await mesh.clock.advance(LIFETIME_MS - MINUTE_MS);
    expect(await call()).toBe('allow');
    await mesh.clock.advance(MINUTE_MS + 1_000);
    expect(await call()).toBe('handshake-failure expired');
    for (const { agent } of mesh.simulation.agents()) agent.resume();
    await mesh.clock.advance('1m');
    expect(await call()).toBe('allow');
  });
});
