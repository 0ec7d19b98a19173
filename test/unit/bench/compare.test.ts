import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BenchResult, compareResults, readBaseline, renderComparison } from '../../../src/bench/index.ts';
import { machineOf } from '../../../src/bench/machine.ts';
import { medianEstimate } from '../../../src/bench/statistics.ts';
import { Rng } from '../../../src/core/index.ts';

const rng = new Rng('compare');

interface Shape {
  /** Contender over reference. */
  readonly ratio: number;
  readonly noise?: number;
  readonly moreIsBetter?: boolean;
  readonly cpu?: string;
  readonly speed?: number;
}

function resultOf({ ratio, noise = 0.02, moreIsBetter = false, cpu = 'one', speed = 1 }: Shape): BenchResult {
  const rounds = Array.from({ length: 30 }, () => speed * (1 + noise * rng.normal()));
  const ratios = rounds.map(() => ratio * (1 + noise * rng.normal()));
  const common = { unit: 'ms', moreIsBetter, also: {} } as const;
  return {
    name: 'b',
    question: 'q',
    size: 'full',
    parameters: {},
    machine: { ...machineOf(0), cpu },
    seconds: 1,
    tables: [
      {
        title: 't',
        reference: 'bare',
        measurements: [
          { ...common, name: 'bare', median: speed, rounds },
          { ...common, name: 'ours', median: ratio, rounds: ratios, ratio: medianEstimate(ratios) },
        ],
      },
    ],
    curves: [],
    aims: [],
    skipped: [],
  };
}

function verdicts(now: Shape, then: Shape): Readonly<Record<string, string>> {
  const found = compareResults([resultOf(now)], [resultOf(then)]);
  return Object.fromEntries(found.map(({ name, by, verdict }) => [`${name} by ${by}`, verdict]));
}

describe('compareResults', () => {
  it.each([
    ['the same', { ratio: 2 }, { ratio: 2 }, 'same'],
    ['a fifth more', { ratio: 2.4 }, { ratio: 2 }, 'slower'],
    ['a fifth less', { ratio: 1.6 }, { ratio: 2 }, 'faster'],
    [
      'less of what there should be more of',
      { ratio: 1.6, moreIsBetter: true },
      { ratio: 2, moreIsBetter: true },
      'slower',
    ],
    ['a fifth more in wild noise', { ratio: 2.4, noise: 0.9 }, { ratio: 2, noise: 0.9 }, 'unclear'],
  ] as const)('%s', (_, now, then, verdict) => {
    expect(verdicts(now, then)['ours by ratio']).toBe(verdict);
  });

  it('compares times on one machine, and never between two', () => {
    expect(verdicts({ ratio: 2, speed: 2 }, { ratio: 2 })).toEqual({
      'bare by absolute': 'slower',
      'ours by ratio': 'same',
    });
    expect(verdicts({ ratio: 2, speed: 2, cpu: 'another' }, { ratio: 2 })).toEqual({ 'ours by ratio': 'same' });
  });

  it('says nothing of figures that one side lacks', () => {
    expect(compareResults([resultOf({ ratio: 2 })], [])).toEqual([]);
  });

  it('prints what changed and counts the rest', () => {
    const text = renderComparison(compareResults([resultOf({ ratio: 3 })], [resultOf({ ratio: 2 })]));
    expect(text).toMatch(/SLOWER +b: t: ours: cost 1\.\d+ × \[/);
    expect(text).toContain('1 of 2 figures unchanged');
  });
});

describe('readBaseline', () => {
  const folder = mkdtempSync(join(tmpdir(), 'meshproof-test-'));
  const fileOf = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it('reads what -o json wrote', () => {
    const results = [resultOf({ ratio: 2 })];
    expect(readBaseline(fileOf('good.json', JSON.stringify({ results })))).toEqual(results);
  });

  it.each([
    ['no JSON', '{'],
    ['another document', '{"results":[1]}'],
    ['an array', '[]'],
  ])('refuses %s', (name, text) => {
    expect(() => readBaseline(fileOf(`${name}.json`, text))).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });
});
