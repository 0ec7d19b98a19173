/**
 * The model twin agrees with the wire whatever happens to identities: expiry, clocks, roots, revocation, trust domains.
 * `FC_SEED` replays.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR_MS, MINUTE_MS } from '../../src/core/index.ts';
import { type IdentityAction, Mesh, performIdentityAction } from '../../src/mesh/index.ts';
import { fleetYaml } from '../kit/fleet.ts';

const seed = Number(process.env['FC_SEED'] ?? 20260101);
const yaml = fleetYaml(2);

const workloads = fc.constantFrom<'all' | readonly string[]>('all', ['shop/w0'], ['shop/w1']);
const skewMs = fc.oneof(
  fc.constantFrom(-3 * MINUTE_MS, -MINUTE_MS, 20 * MINUTE_MS, 2 * HOUR_MS),
  fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS }),
);
const action: fc.Arbitrary<IdentityAction> = fc.oneof(
  fc.record({
    kind: fc.constant('root' as const),
    step: fc.constantFrom(
      'distribute' as const,
      'switch' as const,
      'drop' as const,
      'restore' as const,
      'renew' as const,
    ),
    news: fc.constantFrom('renewal' as const, 'push' as const, 'push-and-renew' as const),
  }),
  fc.constant<IdentityAction>({ kind: 'intermediate' }),
  fc.record({ kind: fc.constant('clock' as const), workloads, skewMs }),
  fc.record({ kind: fc.constant('renew' as const), workloads }),
  fc.record({ kind: fc.constant('rotation' as const), workloads, on: fc.boolean() }),
  fc.record({ kind: fc.constant('revoke' as const), workloads }),
  fc.record({ kind: fc.constant('ca' as const), available: fc.boolean() }),
  fc.record({
    kind: fc.constant('trust-domain' as const),
    trustDomain: fc.constantFrom('cluster.local', 'new.example'),
    aliases: fc.constantFrom<readonly string[]>([], ['cluster.local']),
  }),
);
const history = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), action), { maxLength: 6 });

describe('prediction', () => {
  it('agrees with a new connection on result, status, flags and reason after any history', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await using mesh = await Mesh.start({ yaml, seed: 'twin', ca: { leafTtl: '1h', key: 'ed25519' } });
        for (const [minutes, each] of steps) {
          await performIdentityAction(mesh, each);
          await mesh.clock.advance(minutes * MINUTE_MS);
        }
        const request = { from: 'shop/w0', to: 'shop/w1' };
        const wire = await mesh.simulation.request(request, { fresh: true });
        const model = mesh.predict(request);
        const shape = ({ result, status, flags, refusal }: typeof wire) => ({
          result,
          status,
          flags,
          reason: refusal?.reason,
          side: refusal?.side,
        });
        expect(shape(model)).toEqual(shape(wire));
        const key = wire.refusal?.reason ?? wire.result;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }),
      { seed, numRuns: 100 },
    );
    // The histories are not all harmless.
    for (const reason of ['allow', 'expired', 'untrusted_root', 'revoked', 'not_yet_valid'])
      expect(seen.get(reason) ?? 0, reason).toBeGreaterThan(0);
  });
});
