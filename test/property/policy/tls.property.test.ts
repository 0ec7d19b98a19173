/**
 * Laws of the mutual-TLS half of the policy room, on small random meshes. `FC_SEED` overrides the seed, MESHPROOF_LONG=1
 * multiplies the runs by twenty.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MeshConfig, PeerAuthentication } from '../../../src/istio/index.ts';
import { compileClientTls, type ClientTls } from '../../../src/policy/client-tls.ts';
import { mostSpecificHost } from '../../../src/policy/host-match.ts';
import { inboundResult, selectFilterChain } from '../../../src/policy/inbound.ts';
import { deniedOutcome, predictOutcome } from '../../../src/policy/outcome-prediction.ts';
import type { CertificateFacts, OutcomeQuestion } from '../../../src/policy/outcome-question.ts';
import { compilePeerAuthentication } from '../../../src/policy/peer-authentication.ts';
import { compileServiceRegistry } from '../../../src/policy/service-registry.ts';
import { client, peerAuthentications, shuffled, world } from './tls-worlds.ts';
import { config } from '../../kit/mesh-resources.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_260_101);
const RUNS = process.env['MESHPROOF_LONG'] === '1' ? 20 : 1;
const check = <T>(arbitrary: fc.IProperty<T>, runs: number): void =>
  fc.assert(arbitrary, { seed: SEED, numRuns: runs * RUNS });

type Client = { readonly namespace: string; readonly labels: Readonly<Record<string, string>> };

/** Every decision of one client, by service, port, subset and endpoint. */
function decisions(cfg: MeshConfig, from: Client): ReadonlyMap<string, ClientTls> {
  const tls = compileClientTls(cfg);
  const found = new Map<string, ClientTls>();
  for (const service of compileServiceRegistry(cfg).services) {
    for (const subset of [undefined, 'v1', 'v9']) {
      for (const endpoint of service.endpoints(8000)) {
        const question = { from, service, port: 8000, endpoint, ...(subset === undefined ? {} : { subset }) };
        found.set(
          [service.host, subset, endpoint.workload?.namespace, endpoint.workload?.name].join(' '),
          tls.decide(question),
        );
      }
    }
  }
  return found;
}

describe('laws of client TLS', () => {
  it('the order of resources is irrelevant', () => {
    let seen = 0;
    const law = fc.property(
      world.chain((cfg) => fc.tuple(fc.constant(cfg), shuffled(cfg))),
      client,
      ([one, other], from) => {
        const [left, right] = [decisions(one, from), decisions(other, from)];
        seen += left.size;
        expect(new Map([...right].sort())).toEqual(new Map([...left].sort()));
      },
    );
    check(law, 400);
    expect(seen).toBeGreaterThan(500);
  });

  it('every kind of decision occurs, and mTLS of Istio always names the mesh as trust', () => {
    const modes = new Set<string>();
    check(
      fc.property(world, client, (cfg, from) => {
        for (const decision of decisions(cfg, from).values()) {
          modes.add(decision.mode);
          if (decision.mode === 'istio_mutual')
            expect([decision.trust.kind, decision.credential?.kind]).toEqual(['mesh', 'workload']);
          if ('alpn' in decision && decision.mode !== 'istio_mutual')
            expect(decision.alpn['http/1.1'].join()).not.toContain('istio');
        }
      }),
      300,
    );
    expect([...modes].sort()).toEqual(['cluster_not_found', 'istio_mutual', 'mutual', 'plaintext', 'simple']);
  });
});

/** PeerAuthentication once more, written down as the documentation tells it. */
function naiveMode(policies: readonly PeerAuthentication[], { namespace, labels }: Client, port: number): string {
  const born = ({ metadata }: PeerAuthentication): number =>
    metadata.creationTimestamp === undefined ? -1 : Date.parse(metadata.creationTimestamp);
  const oldest = (found: readonly PeerAuthentication[]): PeerAuthentication | undefined =>
    found.reduce<PeerAuthentication | undefined>((best, policy) => {
      if (best === undefined || born(policy) < born(best)) return policy;
      return born(policy) === born(best) && policy.metadata.name < best.metadata.name ? policy : best;
    }, undefined);
  const selector = (policy: PeerAuthentication) => Object.entries(policy.spec.selector?.matchLabels ?? {});
  const inNamespace = (name: string) => policies.filter(({ metadata }) => metadata.namespace === name);
  const wide = (name: string) => oldest(inNamespace(name).filter((policy) => selector(policy).length === 0));
  const isRoot = namespace === 'istio-system';
  const own = isRoot
    ? undefined
    : oldest(
        inNamespace(namespace).filter(
          (policy) => selector(policy).length > 0 && selector(policy).every(([key, value]) => labels[key] === value),
        ),
      );
  const chain = [
    wide('istio-system')?.spec.mtls?.mode,
    isRoot ? undefined : wide(namespace)?.spec.mtls?.mode,
    own?.spec.mtls?.mode,
    own?.spec.portLevelMtls?.[port]?.mode,
  ];
  return chain.reduce<string>((mode, next) => (next === undefined || next === 'UNSET' ? mode : next), 'PERMISSIVE');
}

describe('laws of peer authentication', () => {
  it('agrees with a naive reading of the documentation', () => {
    const modes = new Set<string>();
    check(
      fc.property(peerAuthentications, client, fc.constantFrom(8080, 8000, 9), (policies, from, port) => {
        const { mode } = compilePeerAuthentication(config({ peerAuthentications: policies })).of(from, port);
        modes.add(mode);
        expect(mode).toBe(naiveMode(policies, from, port));
      }),
      2_000,
    );
    expect([...modes].sort()).toEqual(['DISABLE', 'PERMISSIVE', 'STRICT']);
  });
});

const mode = fc.constantFrom('DISABLE', 'PERMISSIVE', 'STRICT');
const portClass = fc.constantFrom('http', 'tcp', 'auto', 'unknown');
const alpn = fc.array(
  fc.constantFrom('istio', 'istio-peer-exchange', 'istio-http/1.1', 'istio-h2', 'h2', 'http/1.1', 'x'),
  { maxLength: 4 },
);
const connection = fc.record(
  { bytes: fc.constantFrom('http', 'tcp'), tls: fc.record({ alpn, clientCertificate: fc.boolean() }) },
  { requiredKeys: ['bytes'] },
);

describe('laws of inbound chains', () => {
  it('STRICT hands nothing on that did not arrive by mutual TLS; DISABLE ends no TLS', () => {
    check(
      fc.property(mode, portClass, connection, (peer, port, arriving) => {
        const { result, terminated } = inboundResult(peer, port, arriving);
        if (peer === 'DISABLE') expect(terminated).toBe(false);
        if (peer === 'STRICT' && (result === 'http' || result === 'tcp')) {
          expect(terminated && arriving.tls?.clientCertificate).toBe(true);
        }
        if (terminated) expect(arriving.tls).toBeDefined();
      }),
      2_000,
    );
  });

  it('PERMISSIVE accepts all that STRICT accepts from a sidecar, in the same way', () => {
    check(
      fc.property(portClass, alpn, (port, offered) => {
        fc.pre(offered.some((name) => name.startsWith('istio')));
        const first = { transport: 'tls', alpn: offered } as const;
        expect(selectFilterChain('PERMISSIVE', port, first)?.terminatesTls).toBe(true);
        if (port !== 'auto' && port !== 'unknown') {
          expect(selectFilterChain('PERMISSIVE', port, first)).toEqual(selectFilterChain('STRICT', port, first));
        }
      }),
      500,
    );
  });
});

describe('laws of host matching', () => {
  it('agrees with trying every pattern', () => {
    const label = fc.constantFrom('a', 'b', 'ab');
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
    const pattern = fc.oneof(
      name,
      name.map((text) => `*.${text}`),
      name.map((text) => `*${text}`),
      fc.constant('*'),
    );
    check(
      fc.property(
        fc.uniqueArray(pattern, { maxLength: 6 }),
        fc.oneof(
          name,
          name.map((text) => `*.${text}`),
        ),
        (patterns, host) => {
          const entries = patterns.map((text) => [text, text] as const);
          const exact = new Map(entries.filter(([text]) => !text.startsWith('*')));
          const wildcards = new Map(entries.filter(([text]) => text.startsWith('*')));
          const covering = patterns.filter((text) =>
            text.startsWith('*')
              ? text === host || (host.startsWith('*') ? host.slice(1) : host).endsWith(text.slice(1))
              : text === host,
          );
          const best = covering.includes(host)
            ? host
            : covering.reduce<string | undefined>(
                (found, text) => (found === undefined || text.length > found.length ? text : found),
                undefined,
              );
          expect(mostSpecificHost(host, exact, wildcards)).toBe(best);
        },
      ),
      2_000,
    );
  });
});

/** Mostly what makes a call succeed: otherwise hardly any would. */
function often<T>(usual: T, rest: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fc.constant(usual), weight: 3 }, { arbitrary: rest, weight: 1 });
}

const certificate: fc.Arbitrary<CertificateFacts> = fc.record({
  names: often(
    ['spiffe://td/ns/a/sa/x', 'h.example'],
    fc.subarray(['spiffe://td/ns/a/sa/x', 'spiffe://other/ns/a/sa/x', 'h.example']),
  ),
  root: fc.constantFrom('mesh', 'mesh', 'mesh', 'foreign'),
  validity: often('valid', fc.constant('expired')),
});
const anchors = often(['mesh'], fc.subarray(['mesh', 'foreign']));
const clientTls: fc.Arbitrary<ClientTls> = fc.oneof(
  fc.constant<ClientTls>({ mode: 'plaintext', determinedBy: 'auto', reason: '' }),
  fc.constant<ClientTls>({ mode: 'cluster_not_found', determinedBy: 'auto', reason: '' }),
  fc
    .record({
      mode: fc.constantFrom('istio_mutual', 'simple', 'mutual'),
      list: alpn,
      subjectAltNames: often(['spiffe://td/ns/a/sa/x'], fc.subarray(['spiffe://td/ns/a/sa/x', 'n'])),
      matchesHost: fc.boolean(),
      trust: fc.constantFrom('mesh', 'none', 'system'),
      presents: often(true, fc.constant(false)),
    })
    .map<ClientTls>(({ list, trust, presents, ...parts }) => ({
      ...parts,
      determinedBy: 'auto',
      reason: '',
      alpn: { 'http/1.0': list, 'http/1.1': list, h2: list, tcp: list },
      trust: { kind: trust },
      ...(presents ? { credential: { kind: 'workload' } } : {}),
    })),
);
const ownTls = fc.record(
  { alpn, names: fc.subarray(['h.example']), certificate, anchors },
  { requiredKeys: ['alpn', 'names'] },
);
const question: fc.Arbitrary<OutcomeQuestion> = fc.record(
  {
    caller: fc.record(
      {
        speaks: fc.constantFrom('http/1.1', 'h2', 'tcp'),
        host: fc.constantFrom('h.example', 'h.example:80'),
        ownTls,
        sidecar: fc.record(
          { tls: clientTls, protocol: portClass, certificate, anchors },
          { requiredKeys: ['tls', 'protocol', 'anchors'] },
        ),
      },
      { requiredKeys: ['speaks'] },
    ),
    server: fc.record(
      {
        sidecar: fc.record(
          { mode, protocol: portClass, certificate, anchors, trustDomains: fc.constant(['td']) },
          { requiredKeys: ['mode', 'protocol', 'anchors'] },
        ),
        listening: often(true, fc.constant(false)),
        ownTls: certificate,
      },
      { requiredKeys: [] },
    ),
    tlsVersion: fc.constantFrom('TLSv1.2', 'TLSv1.3'),
  },
  { requiredKeys: ['caller'] },
);

const SERVER = {
  certificate: { names: ['spiffe://td/ns/a/sa/x', 'h.example'], root: 'mesh', validity: 'valid' },
} as const;

describe('laws of outcomes', () => {
  it('a STRICT sidecar lets a call through only with a valid certificate of an accepted trust domain and root', () => {
    let reached = 0;
    check(
      fc.property(question, (drawn) => {
        const strict = {
          mode: 'STRICT',
          protocol: 'http',
          anchors: ['mesh'],
          trustDomains: ['td'],
          ...SERVER,
          ...drawn.server?.sidecar,
        } as const;
        const asked = { ...drawn, server: { ...drawn.server, sidecar: { ...strict, mode: 'STRICT' } } } as const;
        const outcome = predictOutcome(asked);
        const { caller, server } = asked;
        if (!outcome.reached) return;
        reached++;
        const shown =
          caller.sidecar !== undefined && 'alpn' in caller.sidecar.tls
            ? caller.sidecar.certificate
            : caller.ownTls?.certificate;
        expect(outcome.security).toBe('mutual_tls');
        expect(shown?.validity).toBe('valid');
        expect(server.sidecar.anchors).toContain(shown?.root);
        expect(shown?.names).toContain('spiffe://td/ns/a/sa/x');
        expect(shown?.names).toContain(outcome.server?.principal);
      }),
      6_000,
    );
    expect(reached).toBeGreaterThan(50);
  });

  it('flags, status and ending always go together', () => {
    const endings = new Set<string>();
    check(
      fc.property(question, (asked) => {
        const outcome = predictOutcome(asked);
        endings.add(outcome.ending);
        expect(outcome.reached).toBe(outcome.refusal === undefined);
        expect(outcome.reached).toBe(outcome.server !== undefined);
        expect(outcome.status > 0).toBe(outcome.ending === 'response');
        if (asked.caller.speaks === 'tcp') expect(outcome.status).toBe(0);
        if (asked.caller.sidecar === undefined) expect(outcome.flags).toBe('-');
        if (outcome.flags === 'UC') expect(outcome.details).toContain('connection_termination');
        if (!outcome.reached) expect(outcome.security).toBe('none');
        if (outcome.reached) {
          const denied = deniedOutcome(asked, outcome, { status: 403, body: 'RBAC: access denied' });
          expect(denied.reached).toBe(false);
          expect(denied.status === 403).toBe(outcome.server?.protocol === 'http');
        }
      }),
      5_000,
    );
    expect([...endings].sort()).toEqual(['closed', 'open', 'reset', 'response', 'tls_error']);
  });

  it('better credentials never turn a call that got through into one that does not', () => {
    check(
      fc.property(question, (asked) => {
        const { caller, server } = asked;
        if (!predictOutcome(asked).reached || server?.sidecar === undefined || caller.sidecar === undefined) return;
        const trusting = {
          ...asked,
          server: {
            ...server,
            sidecar: {
              ...server.sidecar,
              anchors: ['mesh', 'foreign'],
              ...(server.sidecar.trustDomains === undefined ? {} : { trustDomains: ['td', 'other'] }),
            },
          },
        };
        expect(predictOutcome(trusting).reached).toBe(true);
      }),
      3_000,
    );
  });
});
