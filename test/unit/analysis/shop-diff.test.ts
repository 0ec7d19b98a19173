/**
 * The shop of the brief: five planted changes are each reported with a witness that tells the sides apart on the wire;
 * three rewrites that change nothing report nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diff, type PolicyDiff } from '../../../src/analysis/index.ts';
import { replayFindings } from '../../../src/cli/diff-replay.ts';
import { parseManifestFiles, type MeshConfig } from '../../../src/istio/index.ts';

const FOLDER = join(import.meta.dirname, '../../../scenarios/01-shop/k8s');
const FILES = readdirSync(FOLDER).map((name) => ({ origin: name, text: readFileSync(join(FOLDER, name), 'utf8') }));

const GUARD = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-deletes, namespace: default }
spec:
  selector: { matchLabels: { app: user-service } }
  action: DENY
  rules:
    - to: [{ operation: { methods: [DELETE], paths: ["/users/*"] } }]
`;

/** The shop with a DENY policy, after one textual change. */
function shop(from = '', to = ''): MeshConfig {
  const files = [...FILES, { origin: 'guard.yaml', text: GUARD }];
  if (from === '') return parseManifestFiles(files);
  expect(
    files.some(({ text }) => text.includes(from)),
    from,
  ).toBe(true);
  return parseManifestFiles(files.map(({ origin, text }) => ({ origin, text: text.replace(from, () => to) })));
}

function withPolicies(yaml: string): MeshConfig {
  return parseManifestFiles([...FILES, { origin: 'guard.yaml', text: yaml }]);
}

const base = shop();

async function replayed(after: MeshConfig, found: PolicyDiff): Promise<readonly (boolean | undefined)[]> {
  return (await replayFindings(found.findings, base, after)).map(({ agrees }) => agrees);
}

describe('a change of the shop is reported with a witness', () => {
  it('widening paths: ["/api/*"] to ["/*"]', async () => {
    const after = shop('paths: ["/api/*"]', 'paths: ["/*"]');
    const found = diff(base, after);
    expect(found.findings).toHaveLength(1);
    const [finding] = found.findings;
    expect(finding).toMatchObject({
      kind: 'newly-allowed',
      requests: {
        caller: '`cluster.local/ns/default/sa/frontend`',
        method: '`GET` or `POST`',
        path: 'any except `/api/*`',
      },
      witness: {
        source: { principal: 'cluster.local/ns/default/sa/frontend' },
        request: { method: 'GET', path: '/' },
      },
      before: { decision: 'deny', reason: 'no ALLOW policy matched' },
      after: {
        decision: 'allow',
        by: { name: 'api-gateway-policy', rule: 0 },
        at: { file: '30-istio.yaml', line: 33 },
      },
    });
    expect(await replayed(after, found)).toEqual([true]);
  });

  it('dropping a DENY', async () => {
    const after = parseManifestFiles(FILES);
    const found = diff(base, after);
    const http = found.findings.filter(({ traffic }) => traffic === 'http');
    expect(http).toHaveLength(1);
    expect(http[0]).toMatchObject({
      kind: 'newly-allowed',
      witness: { request: { method: 'DELETE', path: '/users/' } },
      before: { by: { name: 'no-deletes', rule: 0 }, at: { file: 'guard.yaml', line: 9 } },
    });
    // On raw connections a DENY loses its HTTP parts and matches everything.
    expect(found.findings.map(({ kind }) => kind)).toEqual(['newly-allowed', 'newly-allowed']);
    expect(await replayed(after, found)).toContain(true);
    expect(await replayed(after, found)).not.toContain(false);
  });

  it('swapping a selector label', async () => {
    const after = withPolicies(GUARD.replace('app: user-service', 'app: order-service'));
    const found = diff(base, after);
    const kinds = found.findings.filter(({ traffic }) => traffic === 'http');
    expect(kinds.map(({ kind, targets }) => [kind, targets[0]?.workload])).toEqual([
      ['newly-allowed', 'user-service'],
      ['newly-denied', 'order-service'],
    ]);
    expect(await replayed(after, found)).not.toContain(false);
  });

  it('moving a policy to the root namespace', async () => {
    const after = withPolicies(
      GUARD.replace('namespace: default', 'namespace: istio-system').replace(/ {2}selector.*\n/, ''),
    );
    const found = diff(base, after);
    expect(found.findings.some(({ kind, targets }) => kind === 'newly-denied' && targets.length > 5)).toBe(true);
    expect(await replayed(after, found)).not.toContain(false);
  });

  it('moving a policy with a selector to the root namespace, where it reaches into every namespace', () => {
    const after = withPolicies(GUARD.replace('namespace: default', 'namespace: istio-system'));
    const { findings } = diff(base, after);
    expect(findings.length).toBeGreaterThan(0);
    for (const { kind, targets, witness } of findings) {
      expect(kind).toBe('newly-denied');
      expect(targets).toMatchObject([{ namespace: 'another-namespace', hypothetical: true }]);
      expect(witness.destination.labels).toEqual({ app: 'user-service' });
    }
  });

  it('STRICT turned PERMISSIVE', async () => {
    const after = shop('mode: STRICT #', 'mode: PERMISSIVE #');
    const found = diff(base, after);
    expect(found.findings.map(({ kind }) => kind)).toContain('mtls-weakened');
    const open = found.findings.find(
      ({ kind, requests }) => kind === 'newly-allowed' && requests['path'] === undefined,
    );
    expect(open?.requests).toEqual({ caller: 'plaintext callers' });
    expect(open?.before.by).toEqual({ kind: 'PeerAuthentication', namespace: 'istio-system', name: 'default' });
    // The gateway still refuses callers without identity; only its mutual TLS is weaker.
    expect(open?.targets.map(({ workload }) => workload)).not.toContain('api-gateway');
    expect(await replayed(after, found)).not.toContain(false);
  });

  it('a client that stops speaking TLS to a STRICT server', () => {
    const { findings } = diff(base, shop('      mode: ISTIO_MUTUAL', '      mode: DISABLE'));
    expect(findings).toMatchObject([
      { kind: 'now-unreachable', targets: [{ workload: 'api-gateway' }], after: { by: { kind: 'DestinationRule' } } },
    ]);
  });
});

describe('a rewrite that changes nothing reports nothing', () => {
  const policy = (name: string, rules: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: default }
spec:
  selector: { matchLabels: { app: order-service } }
  rules:
${rules}`;
  const first =
    '    - { from: [{ source: { namespaces: [default] } }], to: [{ operation: { methods: [GET, POST] } }] }\n';
  const second = '    - { to: [{ operation: { paths: ["/health", "/ready"] } }] }\n';
  const before = withPolicies(policy('p', first + second));

  it.each([
    ['a pure reordering', policy('p', second + first.replace('GET, POST', 'POST, GET'))],
    ['a split of one policy into two', `${policy('p', first)}---${policy('q', second)}`],
    [
      'an equivalent form',
      policy(
        'p',
        `    - { when: [{ key: source.namespace, values: [default] }], to: [{ operation: { methods: [GET] } }, { operation: { methods: [POST] } }] }
    - { to: [{ operation: { paths: ["/health"] } }] }
    - { from: [{ source: { namespaces: [default], notPrincipals: ["other/*"] } }], to: [{ operation: { methods: [POST], notPaths: ["/health"] } }] }
    - { to: [{ operation: { paths: ["/ready", "/health"], notPaths: ["/../*", "/x/../*"] } }] }
`,
      ),
    ],
  ])('%s', (_, yaml) => {
    expect(diff(before, withPolicies(yaml)).findings).toEqual([]);
  });
});

it('a principal by an alias of the trust domain is the principal by the domain itself', () => {
  const withAlias = (principal: string): MeshConfig => {
    const config = withPolicies(
      GUARD.replace('- to:', `- from: [{ source: { principals: ["${principal}"] } }]\n      to:`),
    );
    return { ...config, settings: { ...config.settings, trustDomainAliases: ['old.example'] } };
  };
  const account = 'ns/default/sa/frontend';
  const [own, alias] = [withAlias(`cluster.local/${account}`), withAlias(`old.example/${account}`)];
  expect(diff(own, alias).findings).toEqual([]);
  expect(diff(own, withAlias(`other.example/${account}`)).findings).not.toEqual([]);
});
