import { describe, expect, it } from 'vitest';
import { MINUTE_MS, SECOND_MS } from '../../../src/core/index.ts';
import { identityActionsOf } from '../../../src/mesh/scenario-event-schema.ts';
import { parseScenario, runScenario } from '../../../src/mesh/index.ts';
import { fleetYaml } from '../../kit/fleet.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HEAD = `apiVersion: meshproof.dev/v1alpha1
kind: Scenario
metadata: { name: test }
manifests: [./mesh.yaml]
`;

describe('events of a scenario', () => {
  it('become identity actions, in the order of their keys', () => {
    const { events } = parseScenario(
      `${HEAD}events:
  - at: 1h
    rotation: { shop/w0: off, shop/w1: on }
    ca: down
    csr: { shop/w0: { latency: 5s }, shop/w1: { refuse: not authenticated } }
    root: { step: distribute, news: push-and-renew }
    intermediate: renew
    trustDomain: { name: new.example, aliases: [cluster.local] }
    skew: { shop/w0: -5m }
    renew: [shop/w1]
    revoke: [shop/w0]
  - { at: 2h, rotation: off, ca: up, root: drop, renew: all, trustDomain: { name: new.example } }`,
      'scenario.yaml',
    );
    expect(events?.map(identityActionsOf)).toEqual([
      [
        { kind: 'rotation', workloads: ['shop/w0'], on: false },
        { kind: 'rotation', workloads: ['shop/w1'], on: true },
        { kind: 'ca', available: false },
        { kind: 'csr', workloads: ['shop/w0'], latencyMs: 5 * SECOND_MS },
        { kind: 'csr', workloads: ['shop/w1'], latencyMs: 0, refusal: 'not authenticated' },
        { kind: 'root', step: 'distribute', news: 'push-and-renew' },
        { kind: 'intermediate' },
        { kind: 'trust-domain', trustDomain: 'new.example', aliases: ['cluster.local'] },
        { kind: 'clock', workloads: ['shop/w0'], skewMs: -5 * MINUTE_MS },
        { kind: 'renew', workloads: ['shop/w1'] },
        { kind: 'revoke', workloads: ['shop/w0'] },
      ],
      [
        { kind: 'rotation', workloads: 'all', on: false },
        { kind: 'ca', available: true },
        { kind: 'root', step: 'drop' },
        { kind: 'trust-domain', trustDomain: 'new.example', aliases: [] },
        { kind: 'renew', workloads: 'all' },
      ],
    ]);
  });

  it.each([
    ['{ at: 1h, rot: drop }', 'unknown field `rot`'],
    ['{ at: 1h, root: swap }', 'none of the forms'],
    ['{ at: 1h, root: { step: drop, by: push } }', 'events[0].root'],
    ['{ at: 1h, skew: { shop/w0: soon } }', 'expected a duration'],
    ['{ at: 1h, csr: { shop/w0: { latncy: 5s } } }', 'did you mean `latency`?'],
    ['{ root: drop }', 'events[0].at: missing'],
  ])('%s is an error', (event, message) => {
    expect(() => parseScenario(`${HEAD}events:\n  - ${event}`, 'scenario.yaml')).toThrow(message);
  });

  it('happen on the mesh, and are noted in its log', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'meshproof-'));
    try {
      await writeFile(join(folder, 'mesh.yaml'), fleetYaml(2));
      await writeFile(
        join(folder, 'scenario.yaml'),
        `${HEAD}clock: { run: 20m }
ca: { key: ed25519 }
workloads: { shop/w0: { skew: 1m, csr: { latency: 2s } } }
traffic: [{ from: shop/w0, to: shop/w1, rps: 1 }]
events:
  - { at: 5m, skew: { shop/w0: -1m } }
  - { at: 6m, renew: [shop/w0] }
  - { at: 10m, root: { step: distribute, news: push } }`,
      );
      // The slow request of w0 is under way when the first minute of traffic begins.
      const run = await runScenario(folder);
      await using mesh = run.mesh;
      const agent = mesh.simulation.agent('shop/w0');
      expect(agent?.clockSkewMs).toBe(-MINUTE_MS);
      expect(agent?.trusted.roots).toHaveLength(2);
      expect(agent?.current()?.receivedAt).toBe(run.start + 6 * MINUTE_MS + 2 * SECOND_MS);
      const notes = mesh.events.all().flatMap((event) => (event.kind === 'note' ? [event.text] : []));
      expect(notes).toEqual([
        'clock of shop/w0: 1m behind',
        'new certificates: shop/w0',
        'root: give out the new root beside the old one, pushed to all',
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
