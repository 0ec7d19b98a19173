/** Every bench at its smoke size: it runs, its competitors take part, and what it says is drawn. No figure is judged. */
import { describe, expect, it } from 'vitest';
import { naiveDecider } from '../../../bench/naive-decider.ts';
import {
  BENCH_TOPICS,
  type BenchResult,
  type BenchTopic,
  loadBench,
  renderHtml,
  renderText,
} from '../../../src/bench/index.ts';

const TABLES: Readonly<Record<BenchTopic, readonly (readonly [title: string, measurements: readonly string[]])[]>> = {
  handshake: [
    [
      'TLSv1.3, ecdsa-p256',
      [
        'node:tls, mutual',
        'meshproof, mutual',
        'meshproof, mutual, unknown peers',
        'node:tls, mutual, resumed',
        'node:tls, server only',
        'node:tls, server only, resumed',
        'plaintext',
        'asymmetric operations',
      ],
    ],
    ['Mutual TLS 1.3 of node:tls, by group', ['X25519']],
  ],
  rotation: [
    [
      'Issue an SVID, ecdsa-p256',
      ['node:crypto, bare operations', 'meshproof', 'selfsigned (no request)', '@peculiar/x509'],
    ],
    ['Renew every workload once', ['5 workloads']],
    [
      'CPU seconds per 1,000 workloads and virtual day (certificates of 24 hours)',
      ['renewals alone', 'a handshake at both ends after each'],
    ],
    [
      'Busiest minute of the first wave over an even spread (50 workloads that start together)',
      ['jitter 0', "jitter 0.01 (Istio's)"],
    ],
  ],
  authz: [
    ...[
      "the brief's policies",
      ...['hit', 'miss', 'deny-last'].flatMap((q) => [`2 rules, ${q}`, `50 rules, ${q}`]),
    ].map((title) => [title, ['meshproof', 'naive evaluator', 'casbin', 'Cedar (wasm)']] as const),
    ['JSON lines through the command line', ['meshproof', 'parse and write only']],
  ],
  diff: ['2 workloads, 2 policies', '4 workloads, 2 policies'].map(
    (title) => [title, ['compile and decide once each', 'lint', 'diff']] as const,
  ),
  mesh: [
    [
      'Requests over 16 open connections of mutual TLS',
      ['undici over mutual TLS', 'node:https over mutual TLS', 'mesh.request'],
    ],
    ['Requests through a proxy over 16 connections', ['bare proxy, mutual TLS behind', 'outbound port of a workload']],
    ["The brief's mesh, 0.25 virtual hours from start to finish", ['meshproof']],
    ['Memory with every link connected', ['3 workloads']],
  ],
  start: [['Cold start', ['node -e 0', 'meshproof --help', 'meshproof authz, the shop', 'meshproof diff, the shop']]],
};

async function smoke(topic: BenchTopic): Promise<BenchResult> {
  const { run } = await loadBench(topic, { deciders: [naiveDecider] });
  return run('smoke', { progress: () => undefined });
}

describe.each(BENCH_TOPICS)('bench %s', (topic) => {
  it('measures every competitor, and shows what it measured', async () => {
    const result = await smoke(topic);
    for (const [title, names] of TABLES[topic]) {
      const table = result.tables.find((one) => one.title === title);
      // Versions that have more to compare may add rows.
      expect(
        table?.measurements.map(({ name }) => name),
        title,
      ).toEqual(expect.arrayContaining([...names]));
    }
    const measurements = result.tables.flatMap((table) => table.measurements);
    for (const { name, median, rounds, ratio } of measurements) {
      expect(rounds.length, name).toBeGreaterThan(0);
      expect(Number.isFinite(median), name).toBe(true);
      if (ratio === undefined) continue;
      expect(ratio.low, name).toBeLessThanOrEqual(ratio.value);
      expect(ratio.value, name).toBeLessThanOrEqual(ratio.high);
    }
    const [text, page] = [renderText(result), renderHtml([result])];
    expect(text.startsWith(`${topic}: ${result.question}\n`)).toBe(true);
    for (const { title } of result.tables) expect(text).toContain(title);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page).not.toMatch(/<script|NaN|undefined|\bsrc=|href=/);
  });
});

describe('bench handshake', () => {
  it('counts what goes over the wire, and proves with a resumed session in fewer bytes', async () => {
    const { tables } = await smoke('handshake');
    const bytes = (name: string): number =>
      tables[0]?.measurements.find((one) => one.name === name)?.also['bytes down'] ?? 0;
    expect(bytes('plaintext')).toBe(1);
    expect(bytes('node:tls, mutual, resumed')).toBeGreaterThan(100);
    expect(bytes('node:tls, mutual')).toBeGreaterThan(bytes('node:tls, mutual, resumed') + 500);
  });
});
