/**
 * Laws of root rotation under real traffic. `FC_SEED` replays.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR_MS, MINUTE_MS } from '../../src/core/index.ts';
import { fullRotationMs, type IdentityAction, rehearse, type RehearsalStep } from '../../src/mesh/index.ts';
import { ROOT_STEPS } from '../../src/sim/index.ts';
import { fleetYaml, ringTraffic } from '../kit/fleet.ts';

const seed = Number(process.env['FC_SEED'] ?? 20260101);
const times = { ttlMs: HOUR_MS, graceRatio: 0.5, jitterRatio: 0.01 };
const full = fullRotationMs(times);
const yaml = fleetYaml(2);

async function loses(steps: readonly RehearsalStep[]): Promise<boolean> {
  const last = Math.max(0, ...steps.map(({ afterMs }) => afterMs));
  const { ok } = await rehearse(
    { name: 'law', steps, forMs: last + full },
    {
      mesh: { yaml, ca: { leafTtl: '1h', key: 'ed25519' } },
      traffic: ringTraffic(2),
      seed: 'law',
      probeIntervalMs: 20 * MINUTE_MS,
      freshIntervalMs: HOUR_MS,
      probeBeforeRenewal: true,
      stopAtFirstLoss: true,
    },
  );
  return !ok;
}

const minute = (max: number) => fc.integer({ min: 0, max }).map((minutes) => minutes * MINUTE_MS);
const harmless = fc.constantFrom<IdentityAction>(
  { kind: 'intermediate' },
  { kind: 'root', step: 'renew' },
  { kind: 'root', step: 'distribute' },
  { kind: 'renew', workloads: 'all' },
  { kind: 'renew', workloads: ['shop/w0'] },
);
const careless = fc.constantFrom<IdentityAction>({ kind: 'root', step: 'switch' }, { kind: 'root', step: 'drop' });
const step = (action: fc.Arbitrary<IdentityAction>): fc.Arbitrary<RehearsalStep> =>
  fc.record({ afterMs: minute(60), action });

describe('root rotation', () => {
  it('in the safe order, a full rotation apart, loses nothing whatever harmless happens besides', async () => {
    const news = fc.constantFrom('renewal' as const, 'push' as const, 'push-and-renew' as const);
    const waits = fc.tuple(minute(20), minute(20), minute(20));
    // Renewing the root is left out: between the steps it would renew the one that leaves.
    const noise = fc.constantFrom<IdentityAction>(
      { kind: 'intermediate' },
      { kind: 'renew', workloads: 'all' },
      { kind: 'renew', workloads: ['shop/w1'] },
    );
    await fc.assert(
      fc.asyncProperty(waits, news, fc.array(step(noise), { maxLength: 3 }), async (extra, how, besides) => {
        let afterMs = 0;
        const playbook = ROOT_STEPS.map((name, index): RehearsalStep => {
          afterMs += full + (extra[index] ?? 0);
          return { afterMs, action: { kind: 'root', step: name, news: how } };
        });
        expect(await loses([...besides, ...playbook])).toBe(false);
      }),
      { seed, numRuns: 12 },
    );
  });

  it('a careless timeline shrinks to the one step that does the harm', async () => {
    // Slots that may stay empty shrink one by one: what is left cannot do without any of its steps.
    const slot = fc.option(fc.oneof(step(harmless), step(careless)), { nil: undefined });
    const timeline = fc
      .tuple(slot, slot, slot, slot, slot, slot)
      .map((slots) => slots.filter((each) => each !== undefined));
    const result = await fc.check(
      fc.asyncProperty(timeline, async (steps) => !(await loses(steps))),
      { seed, numRuns: 20 },
    );
    expect(result.failed).toBe(true);
    const [shortest] = result.counterexample ?? [];
    expect(shortest).toHaveLength(1);
    expect(shortest?.[0]?.action).toMatchObject({ kind: 'root' });
    const [{ action } = { action: undefined }] = shortest ?? [];
    expect(action?.kind === 'root' && ['switch', 'drop'].includes(action.step)).toBe(true);
    // It fails by itself, and without it nothing does.
    expect(await loses(shortest ?? [])).toBe(true);
    expect(await loses([])).toBe(false);
  });
});
