/** What a change does to the calls of declared workloads: identities, names, ports, protocols, client TLS. */
import { describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../../src/analysis/index.ts';
import type { AuthorizationRule, MeshConfig, Service, Sidecar, Workload } from '../../../src/istio/index.ts';
import {
  config,
  destinationRule,
  meta,
  peerAuthentication,
  service,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';
import { authorizationPolicy } from '../../kit/policies.ts';

const onto = (app: string, ...rules: readonly AuthorizationRule[]): MeshConfig['authorizationPolicies'][number] =>
  authorizationPolicy({ selector: { matchLabels: { app } }, rules }, { namespace: 'shop', name: app });

const frontendOnly = (trustDomain = 'td'): MeshConfig['authorizationPolicies'][number] =>
  onto('api', {
    from: [{ source: { principals: [`${trustDomain}/ns/shop/sa/frontend`] } }],
    to: [{ operation: { methods: ['GET'], paths: ['/api/*'] } }],
  });

const base = config({
  workloads: [workload('shop/frontend'), workload('shop/api'), workload('shop/db'), workload('other/cron')],
  services: [service('shop/api'), service('shop/db')],
  authorizationPolicies: [frontendOnly(), onto('db', { from: [{ source: { namespaces: ['shop'] } }] })],
  peerAuthentications: [peerAuthentication('istio-system/default', { mtls: { mode: 'STRICT' } })],
  settings: { trustDomain: 'td' },
});

const HOST = 'api.shop.svc.cluster.local';

const changed = (name: string, parts: Partial<Workload>): MeshConfig => ({
  ...base,
  workloads: base.workloads.map((each) => (`${each.namespace}/${each.name}` === name ? { ...each, ...parts } : each)),
});

const withApi = (parts: Partial<Service>): MeshConfig => ({
  ...base,
  services: base.services.map((each) => (each.name === 'api' ? { ...each, ...parts } : each)),
});

const found = (after: MeshConfig, before = base): readonly DiffFinding[] => diff(before, after).findings;

describe('a workload that runs as another service account', () => {
  it('is refused where its old one was let in, and the finding says which requests of whom', () => {
    const findings = found(changed('shop/frontend', { serviceAccount: 'web' }));
    expect(findings).toMatchObject([
      {
        kind: 'newly-denied',
        targets: [{ workload: 'api', ports: [8080] }],
        requests: { method: '`GET`', path: '`/api/*`', caller: expect.stringContaining('`shop/frontend`') },
        witness: { source: { principal: 'td/ns/shop/sa/web' }, request: { method: 'GET', path: '/api/' } },
        calls: {
          from: ['shop/frontend'],
          to: `${HOST}:8000`,
          as: { before: 'td/ns/shop/sa/frontend', after: 'td/ns/shop/sa/web' },
        },
        before: { decision: 'allow', by: { name: 'api', rule: 0 } },
        after: { decision: 'deny', reason: 'no ALLOW policy matched' },
      },
    ]);
  });

  it('is let in where its new one is, and that widens access', () => {
    expect(found(changed('other/cron', { serviceAccount: 'frontend', namespace: 'other' }))).toEqual([]);
    const taken = {
      ...base,
      authorizationPolicies: [onto('api', { from: [{ source: { principals: ['*/sa/web'] } }] })],
    };
    const after = { ...taken, workloads: changed('shop/frontend', { serviceAccount: 'web' }).workloads };
    expect(found(after, taken)).toMatchObject([{ kind: 'newly-allowed', calls: { from: ['shop/frontend'] } }]);
  });

  it('changes nothing where policy and account change together', () => {
    const after = {
      ...changed('shop/frontend', { serviceAccount: 'web' }),
      authorizationPolicies: [
        onto('api', {
          from: [{ source: { principals: ['td/ns/shop/sa/web'] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/api/*'] } }],
        }),
        ...base.authorizationPolicies.slice(1),
      ],
    };
    // What the policy does to the two identities is told; nothing of the workload, for which all stays.
    expect(found(after).every(({ calls }) => calls === undefined)).toBe(true);
    expect(found(after).map(({ kind }) => kind)).toEqual(['newly-allowed', 'newly-denied']);
  });

  it('is not told again where the server refuses everybody now', () => {
    const closed = onto('api');
    const after = { ...changed('shop/frontend', { serviceAccount: 'web' }), authorizationPolicies: [closed] };
    const toApi = found(after).filter(({ targets: [to] }) => to?.workload === 'api');
    expect(toApi).toMatchObject([{ kind: 'newly-denied', requests: { caller: '`td/ns/shop/sa/frontend`' } }]);
  });
});

describe('a trust domain that changes', () => {
  const renamed = (aliases: readonly string[]): MeshConfig => ({
    ...base,
    settings: { ...base.settings, trustDomain: 'corp', trustDomainAliases: aliases },
  });

  it('changes nothing with the old one as an alias', () => {
    expect(diff(base, renamed(['td']))).toMatchObject({ findings: [], undecided: [], notes: [] });
    expect(
      diff(renamed(['td']), { ...base, settings: { ...base.settings, trustDomainAliases: ['corp'] } }),
    ).toMatchObject({ findings: [], undecided: [] });
  });

  it('without, refuses old certificates and those whose name a policy still spells the old way', () => {
    expect(found(renamed([]))).toMatchObject([
      {
        kind: 'newly-denied',
        targets: [{ workload: 'cron' }, { workload: 'api' }, { workload: 'db' }, { workload: 'frontend' }],
        requests: { caller: 'certificates of trust domain `td`, as issued before the change' },
        after: { reason: 'the trust domain is not accepted' },
      },
      {
        kind: 'newly-denied',
        targets: [{ workload: 'api' }],
        requests: { caller: '`ns/shop/sa/frontend` of trust domain `td` before and `corp` after' },
        witness: { source: { principal: 'corp/ns/shop/sa/frontend' } },
        after: { reason: 'no ALLOW policy matched' },
      },
    ]);
  });

  it('is no matter to a policy that names `cluster.local`, whatever the trust domain is called', () => {
    const [first, second] = [base, renamed([])].map((mesh) => ({
      ...mesh,
      authorizationPolicies: [frontendOnly('cluster.local'), ...mesh.authorizationPolicies.slice(1)],
    }));
    expect(first && second && found(second, first)).toMatchObject([
      { requests: { caller: expect.stringContaining('as issued before') } },
    ]);
  });

  it('lets in whom a policy names by the new one', () => {
    const [first, second] = [base, renamed(['td'])].map((mesh) => ({
      ...mesh,
      authorizationPolicies: [onto('api', { from: [{ source: { principals: ['corp/*'] } }] })],
    }));
    const toApi = first && second && found(second, first);
    expect(toApi).toMatchObject([
      { kind: 'newly-allowed', requests: { caller: expect.stringContaining('`td` before and `corp` after') } },
    ]);
  });
});

describe('a service', () => {
  it.each([
    ['that is removed', { ...base, services: base.services.slice(1) }, `no service \`${HOST}\``],
    [
      'whose port gets another number',
      withApi({ ports: [servicePort(9000, 8080, 'http')] }),
      `8000 is no port of \`${HOST}\``,
    ],
    ['whose selector fits nobody', withApi({ selector: { app: 'apy' } }), `\`${HOST}:8000\` has no endpoint`],
    ['that leads elsewhere', withApi({ selector: { app: 'db' } }), `\`${HOST}:8000\` leads to \`shop/db:8080\``],
    [
      'that leads to another port',
      withApi({ ports: [servicePort(8000, 9090, 'http')] }),
      `\`${HOST}:8000\` leads to \`shop/api:9090\``,
    ],
  ])('%s cuts off those whom the server let in', (_, after, reason) => {
    const lost = found(after).filter(({ kind }) => kind === 'now-unreachable');
    expect(lost).toMatchObject([
      {
        targets: [{ workload: 'api', ports: [8080] }],
        summary: `calls to \`${HOST}:8000\` by \`shop/frontend\``,
        calls: { from: ['shop/frontend'] },
        witness: { request: { path: '/api/' } },
        before: { decision: 'allow' },
        after: { decision: 'deny', reason },
      },
    ]);
    expect(found(base, after).filter(({ kind }) => kind === 'now-reachable')).toMatchObject([
      { calls: { from: ['shop/frontend'] }, before: { reason } },
    ]);
  });

  it('that is kept from other namespaces is lost to those of them that were let in', () => {
    const settings = { ...base.settings, outboundTrafficPolicy: 'REGISTRY_ONLY' as const };
    const open = { ...base, authorizationPolicies: [], settings };
    const metadata = { ...meta('shop/api'), annotations: { 'networking.istio.io/exportTo': '.' } };
    const after = { ...withApi({ metadata }), authorizationPolicies: [], settings };
    expect(found(after, open)).toMatchObject([
      {
        kind: 'now-unreachable',
        calls: { from: ['other/cron'] },
        after: { reason: `\`${HOST}\` is not visible from namespace \`other\`` },
      },
    ]);
    expect(found({ ...withApi({ metadata }), settings }, { ...base, settings })).toEqual([]);
    // With ALLOW_ANY the call is passed through, in plaintext: STRICT refuses it, PERMISSIVE does not.
    const passing = [open, after].map((mesh) => ({ ...mesh, settings: base.settings }));
    expect(passing[1] && found(passing[1], passing[0])).toMatchObject([
      {
        kind: 'now-unreachable',
        calls: { from: ['other/cron'] },
        after: { reason: expect.stringMatching(/Passthrough/) },
      },
    ]);
    const lax = passing.map((mesh) => ({ ...mesh, peerAuthentications: [] }));
    expect(lax[1] && found(lax[1], lax[0])).toMatchObject([{ kind: 'mtls-weakened', calls: { from: ['other/cron'] } }]);
  });

  it('that is new together with its workload is one line', () => {
    const after = {
      ...base,
      workloads: [...base.workloads, workload('shop/new')],
      services: [...base.services, service('shop/new')],
    };
    expect(found(after)).toMatchObject([
      { kind: 'newly-allowed', targets: [{ workload: 'new' }], before: { reason: 'the workload does not exist' } },
    ]);
  });

  it('that speaks another protocol changes what the filters of the server see', () => {
    const asBytes = withApi({ ports: [servicePort(8000, 8080, 'tcp')] });
    expect(found(asBytes)).toMatchObject([
      {
        kind: 'newly-denied',
        targets: [{ workload: 'api', ports: [8080] }],
        requests: { caller: '`td/ns/shop/sa/frontend`', method: '`GET`', path: '`/api/*`' },
        after: { reason: 'no ALLOW policy matched' },
      },
    ]);
    // Bytes that the HTTP codec refused get through, once nothing asks for more than the caller.
    const named = [onto('api', { from: [{ source: { namespaces: ['shop'] } }] })];
    expect(
      found({ ...asBytes, authorizationPolicies: named }, { ...base, authorizationPolicies: named }),
    ).toMatchObject([
      { kind: 'newly-allowed', traffic: 'http', before: { reason: 'path_normalization_failed' } },
      { kind: 'newly-allowed', traffic: 'tcp', before: { reason: expect.stringContaining('HTTP') } },
    ]);
  });
});

describe('a client that speaks plaintext now', () => {
  const plaintext = destinationRule('shop/api', { host: HOST, trafficPolicy: { tls: { mode: 'DISABLE' } } });

  it('loses its identity where the server takes plaintext', () => {
    const lax = { ...base, peerAuthentications: [] };
    expect(found({ ...lax, destinationRules: [plaintext] }, lax)).toMatchObject([
      { kind: 'mtls-weakened', calls: { to: `${HOST}:8000` } },
      {
        kind: 'newly-denied',
        requests: { caller: expect.stringContaining('without identity after') },
        calls: { from: ['shop/frontend'], as: { before: 'td/ns/shop/sa/frontend' } },
      },
    ]);
  });

  it('does not arrive where it does not: only those are told whom the server let in', () => {
    expect(found({ ...base, destinationRules: [plaintext] })).toMatchObject([
      {
        kind: 'now-unreachable',
        summary: 'calls by `shop/frontend`',
        after: { by: { kind: 'DestinationRule', name: 'api' } },
      },
    ]);
  });
});

it('tells many servers that lose their callers for one reason in one finding', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const chain = config({
    workloads: names.map((name) => workload(`shop/${name}`)),
    services: names.map((name) => service(`shop/${name}`)),
    authorizationPolicies: names.map((name, i) =>
      onto(name, { from: [{ source: { principals: [`td/ns/shop/sa/${names[(i + 1) % names.length] ?? ''}`] } }] }),
    ),
    peerAuthentications: base.peerAuthentications,
    settings: base.settings,
  });
  const all = destinationRule('istio-system/all', { host: '*.local', trafficPolicy: { tls: { mode: 'DISABLE' } } });
  const findings = found({ ...chain, destinationRules: [all] }, chain);
  expect(findings).toMatchObject([
    {
      kind: 'now-unreachable',
      summary: 'calls by 5 workloads, each to those of the servers that let it in',
      after: { by: { name: 'all' } },
    },
  ]);
  expect(findings[0]?.targets).toHaveLength(5);
  expect(findings[0]?.classes).toContain('calls by `shop/b` to shop/a:8080');
});

describe('what a server sees', () => {
  const byName = authorizationPolicy(
    { action: 'DENY', rules: [{ when: [{ key: 'connection.sni', values: ['*.example.com'] }] }] },
    { namespace: 'shop' },
  );

  it('is no server name where mutual TLS is off', () => {
    const off = { ...base, peerAuthentications: [peerAuthentication('shop/default', { mtls: { mode: 'DISABLE' } })] };
    const open = { ...off, authorizationPolicies: [] };
    expect(found({ ...open, authorizationPolicies: [byName] }, open)).toEqual([]);
    const on = { ...base, authorizationPolicies: [] };
    expect(found({ ...on, authorizationPolicies: [byName] }, on)).not.toEqual([]);
  });

  it('is one address of a raw connection: no header makes the original client another', () => {
    const blocks = ['10.0.0.0/8'];
    const policy = (source: object): MeshConfig => ({
      ...withApi({ ports: [servicePort(8000, 8080, 'tcp')] }),
      authorizationPolicies: [onto('api', { from: [{ source }] })],
    });
    const toApi = (after: MeshConfig, before: MeshConfig): readonly DiffFinding[] =>
      found(after, before).filter(({ targets: [to] }) => to?.ports.includes(8080) === true);
    const [peer, original] = [policy({ ipBlocks: blocks }), policy({ remoteIpBlocks: blocks })];
    expect(toApi(original, peer)).toEqual([]);
    // A port that may carry requests is another matter.
    expect(found(original, peer).every(({ traffic }) => traffic === 'http')).toBe(true);
    expect(found(original, peer)).not.toEqual([]);
  });
});

it('does not compare what the egress of a Sidecar hides', () => {
  const sidecar: Sidecar = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: meta('shop/default'),
    spec: { egress: [{ hosts: ['./*'] }] },
  };
  const hidden = { ...base, sidecars: [sidecar] };
  expect(diff(base, hidden).undecided).toMatchObject([{ reason: expect.stringContaining('Sidecar changes') }]);
  expect(diff(hidden, hidden).undecided).toEqual([]);
  const { notes } = diff(hidden, { ...hidden, services: [] });
  expect(notes).toContainEqual(expect.stringContaining('egress'));
});

it('says so where `x-forwarded-for` is asked for in two ways that hang together', () => {
  const asks = (when: readonly string[]): MeshConfig => ({
    ...base,
    authorizationPolicies: [
      onto('api', {
        from: [{ source: { remoteIpBlocks: ['10.0.0.0/8'] } }],
        when: when.map((key) => ({ key, values: ['10.*'] })),
      }),
    ],
  });
  const both = asks(['request.headers[X-Forwarded-For]']);
  expect(diff(both, base).notes).toContainEqual(expect.stringContaining('x-forwarded-for'));
  expect(diff(asks([]), base).notes).toEqual([]);
});
