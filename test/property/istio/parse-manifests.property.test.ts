/**
 * Whatever the input, reading gives a value or a `ConfigError` whose every issue has a place; nothing else is thrown,
 * and nothing hangs; compiler and linter take whatever was accepted. Inputs are valid manifests with random damage: in
 * the text, and in the values after parsing.
 *
 * The long run (MESHPROOF_LONG=1) takes 20,000 texts and 500,000 values; by default a tenth of each
 * runs. `FC_SEED` overrides the seed.
 */
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { lint } from '../../../src/analysis/index.ts';
import { Rng } from '../../../src/core/index.ts';
import { tlsCheckRows } from '../../../src/cli/tls-check-rows.ts';
import { ConfigError, parseManifests, validateResource, type MeshConfig } from '../../../src/istio/index.ts';
import { compileMesh } from '../../../src/policy/index.ts';
import { ONE_OF_EACH } from '../../unit/istio/manifests.ts';

const LONG = process.env['MESHPROOF_LONG'] === '1';
const SEED = process.env['FC_SEED'] ?? 'parse-manifests';
const TEXTS = LONG ? 20_000 : 2_000;
const VALUES = LONG ? 500_000 : 50_000;

const DOCUMENTS = ONE_OF_EACH.split('---\n');
const FRAGMENTS = [
  '---\n',
  '\n',
  '\t',
  ': ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '|',
  '>',
  '&a ',
  '*a',
  '<<: ',
  '!!binary ',
  '#',
  '?',

  'null',
  '~',
  'yes',
  '0',
  '-1',
  '1e400',
  '.nan',
  '0x1F',
  '99999999999999999999',
  '\u0000',
  '\u2028',
  '💣',
  '__proto__',

  'spec:\n',
  'items:\n',
  'kind: List\n',
  'a: {a: {a: {a: ',
  '[[[[[[[[',
  '&x [*x]',
  '\\',
  '%YAML 1.1\n',
  '...\n',
];

function below(rng: Rng, limit: number): number {
  return rng.integer(0, limit - 1);
}

function damageText(rng: Rng): string {
  let text = Array.from({ length: 1 + below(rng, 3) }, () => rng.pick(DOCUMENTS)).join('---\n');
  for (let count = 1 + below(rng, 6); count > 0; count--) {
    const at = below(rng, text.length + 1);
    const length = rng.chance(0.8) ? below(rng, 4) : below(rng, 200);
    const insert = rng.chance(0.7)
      ? rng.pick(FRAGMENTS)
      : text.slice(below(rng, text.length + 1)).slice(0, below(rng, 80));
    text = text.slice(0, at) + insert + text.slice(at + length);
  }
  return text;
}

const JUNK: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  70_000,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 60,
  '',
  '*',
  '**',
  '{*}',
  '{',
  '/{**}/{*}',

  'a'.repeat(70),
  'a'.repeat(400),
  '1.2.3.4/33',
  '::1%eth0',
  '8080',
  '\u0000\n',
  'DENY',
  'CUSTOM',
  'STRICT',
  'strict',
  'x/y/z',

  'request.headers[]',
  'request.auth.claims[a]',
  'destination.labels[a]',
  'configmap://a/b/c',
  '1h2m',
  '0s',
  '-1ms',
  'a/b/*',
  'UPGRADE',
  { failover: [{ from: 'a', to: 'a' }] },
  { tableSize: 4 },
  'unix://',
  'https://',
  '{"keys":[{}]}',

  [],
  {},
  [null],
  [[]],
  [''],
  [{}],
  { '': '' },
  { a: null },
  { source: {} },
  { operation: { paths: ['{'] } },
  ['a', 1],
];

/** A copy of `value` with one place changed. */
function damageValue(value: unknown, rng: Rng): unknown {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0 || rng.chance(0.04)) return rng.pick(JUNK);
  const index = below(rng, entries.length);
  const [key, child] = entries[index] ?? ['', undefined];
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (rng.chance(0.1)) return items.toSpliced(index, 1);
    return rng.chance(0.1) ? [...items, child] : items.with(index, damageValue(child, rng));
  }
  const rest = entries.filter((_, other) => other !== index);
  if (rng.chance(0.1)) return Object.fromEntries(rest);
  if (rng.chance(0.1))
    return Object.fromEntries([...rest, [rng.pick([`${key}s`, key.slice(1), '__proto__', 'action', 'rules']), child]]);
  return Object.fromEntries([...rest, [key, damageValue(child, rng)]]);
}

/** Everything that is done with a configuration: it must not throw. */
function useAll(config: MeshConfig): void {
  lint(config);
  const compiled = compileMesh(config);
  tlsCheckRows({ compiled });
  for (const workload of config.workloads) compiled.inboundPorts(workload);
}

/** Runs `read`; true where it gave a value, false where it refused as it should. */
function accepted(read: () => unknown, positioned: boolean): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (error.issues.length === 0 || error.message.split('\n').length !== error.issues.length) throw error;
    for (const { file, line = 0, column = 0 } of error.issues) {
      if (positioned && (file !== 'f.yaml' || line < 1 || column < 1)) throw error;
    }
    return false;
  }
}

describe('reading damaged manifests', () => {
  it(`gives a value or positioned faults for ${TEXTS} texts`, { timeout: 3_600_000 }, () => {
    const rng = new Rng(`${SEED}/text`);
    let [good, refused] = [0, 0];
    for (let run = 0; run < TEXTS; run++) {
      const text = damageText(rng);
      try {
        if (accepted(() => useAll(parseManifests(text, { origin: 'f.yaml' })), true)) good++;
        else refused++;
      } catch (error) {
        throw new Error(`seed ${SEED}, run ${run}:\n${text}`, { cause: error });
      }
    }
    // Both outcomes must be common, or the damage is too light or too heavy to find anything.
    expect(good).toBeGreaterThan(TEXTS / 100);
    expect(refused).toBeGreaterThan(TEXTS / 4);
  });

  it(`gives a value or faults for ${VALUES} objects`, { timeout: 3_600_000 }, () => {
    const rng = new Rng(`${SEED}/value`);
    const policies = parseAllDocuments(ONE_OF_EACH)
      .map((document): unknown => document.toJS())
      .slice(5);
    let [good, refused] = [0, 0];
    for (let run = 0; run < VALUES; run++) {
      let value: unknown = rng.pick(policies);
      for (let count = 1 + below(rng, 2); count > 0; count--) value = damageValue(value, rng);
      try {
        if (accepted(() => validateResource(value), false)) good++;
        else refused++;
      } catch (error) {
        throw new Error(`seed ${SEED}, run ${run}: ${JSON.stringify(value)}`, { cause: error });
      }
    }
    expect(good).toBeGreaterThan(VALUES / 25);
    expect(refused).toBeGreaterThan(VALUES / 10);
  });
});
