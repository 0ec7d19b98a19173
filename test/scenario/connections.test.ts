/**
 * `connections` of the metrics are sockets: they are counted again at the listeners, and by the system.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Mesh, runScenario } from '../../src/mesh/index.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const DECLARED: Readonly<Record<string, number>> = {
  'api-gateway': 150,
  'user-service': 80,
  'order-service': 100,
  'payment-service': 50,
  'notification-svc': 20,
  'legacy-service': 10,
};

/** Established connections to a loopback port, as Linux lists them; nothing elsewhere. */
function establishedTo(port: number): number | undefined {
  try {
    const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
    return lines.map((line) => line.trim().split(/\s+/)).filter(([, , to, state]) => to === remote && state === '01')
      .length;
  } catch {
    return undefined;
  }
}

describe('connections', () => {
  it("the shop's 410 connections are 410 open sockets, after a run with refused callers and rotations", async () => {
    const run = await runScenario('01-shop', { for: '12h30m' });
    await using mesh = run.mesh;
    expect(mesh.events.all().some((event) => event.kind === 'certificate.issued' && event.reason === 'rotation')).toBe(
      true,
    );
    const counted = Object.fromEntries(mesh.serviceMetrics().map(({ name, connections }) => [name, connections]));
    expect(counted).toEqual(DECLARED);
    let total = 0;
    for (const { workload, sidecar } of await mesh.simulation.listenAll()) {
      expect({ name: workload.name, sockets: sidecar.sockets }).toEqual({
        name: workload.name,
        sockets: DECLARED[workload.name] ?? 0,
      });
      expect(establishedTo(sidecar.address.port) ?? sidecar.sockets).toBe(sidecar.sockets);
      total += sidecar.sockets;
    }
    expect(total).toBe(410);
  });

  it('follow a single connection as it opens and closes', async () => {
    await using mesh = await Mesh.start({
      yaml: manifests(workloadYaml('client'), workloadYaml('server'), peerAuthenticationYaml('STRICT')),
    });
    const connections = (): number | undefined =>
      mesh.serviceMetrics().find(({ name }) => name === 'server')?.connections;
    await mesh.request({ from: 'default/client', to: 'default/server' });
    await mesh.request({ from: 'default/client', to: 'default/server' });
    expect(connections()).toBe(1);
    await mesh.simulation.closeConnections('default/client', 'default/server');
    await expect.poll(connections).toBe(0);
  });
});
