/**
 * Client TLS against a naive evaluator, on generated worlds. `MESHPROOF_LONG=1` runs twenty times as many; `FC_SEED` chooses the
 * worlds.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileClientTls } from '../../src/policy/client-tls.ts';
import { compilePeerAuthentication } from '../../src/policy/peer-authentication.ts';
import { compileServiceRegistry } from '../../src/policy/service-registry.ts';
import { client, world } from '../property/policy/tls-worlds.ts';
import { naiveClientTls, naiveServerMode, type NaiveAnswer } from './naive-client-tls.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_260_101);
const RUNS = process.env['MESHPROOF_LONG'] === '1' ? 60_000 : 3_000;

const visibility = fc.constantFrom<readonly string[]>([], ['.'], ['*']);

describe('client TLS', () => {
  it('is what a naive evaluator finds, for every service, subset and endpoint', () => {
    const told = new Map<string, number>();
    const law = fc.property(world, visibility, client, (base, byDefault, from) => {
      const config = { ...base, settings: { ...base.settings, defaultDestinationRuleExportTo: byDefault } };
      const tls = compileClientTls(config);
      for (const registered of compileServiceRegistry(config).services) {
        const service = config.services.find(({ host }) => host === registered.host);
        for (const endpoint of registered.endpoints(8000)) {
          const pod = config.workloads.find(
            ({ namespace, name }) => namespace === endpoint.workload?.namespace && name === endpoint.workload.name,
          );
          if (service === undefined || pod === undefined) throw new Error('no such service or Pod');
          for (const subset of [undefined, 'v1', 'v2']) {
            const named = subset === undefined ? {} : { subset };
            const decided = tls.decide({ from, service: registered, port: 8000, endpoint, ...named });
            const expected = naiveClientTls({
              config,
              from,
              service,
              port: 8000,
              ...named,
              endpoint: { pod, port: endpoint.port },
            });
            const found: NaiveAnswer = {
              mode: decided.mode,
              ...('sni' in decided && decided.sni !== undefined ? { sni: decided.sni } : {}),
              ...('subjectAltNames' in decided ? { names: decided.subjectAltNames } : {}),
            };
            told.set(found.mode, (told.get(found.mode) ?? 0) + 1);
            expect(found, `${service.host} ${subset ?? ''} ${pod.name}`).toEqual(expected);
          }
        }
      }
    });
    fc.assert(law, { seed: SEED, numRuns: RUNS });
    for (const mode of ['plaintext', 'istio_mutual', 'simple', 'mutual', 'cluster_not_found']) {
      expect(told.get(mode), mode).toBeGreaterThan(RUNS / 100);
    }
  });

  it('gives way to the mode of the server that a naive evaluator finds', () => {
    fc.assert(
      fc.property(world, client, fc.constantFrom(8080, 8000), (config, pod, port) => {
        const compiled = compilePeerAuthentication(config);
        expect(compiled.of(pod, port).mode).toBe(naiveServerMode(config, pod, port));
        expect(compiled.ofNamespace(pod.namespace).mode).toBe(naiveServerMode(config, { ...pod, labels: {} }));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
