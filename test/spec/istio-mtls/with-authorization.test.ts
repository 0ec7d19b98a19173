/**
 * Mutual TLS, tokens and authorization together: what the caller sees in the end.
 * https://istio.io/latest/docs/concepts/security/#authorization
 */
import { describe, expect, it } from 'vitest';
import type { AuthorizationPolicySpec, MeshConfig, PortProtocol } from '../../../src/istio/index.ts';
import {
  compileAuthorization,
  deniedOutcome,
  predictOutcome,
  type RequestAuthAttributes,
} from '../../../src/policy/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';
import { authorizationPolicy } from '../../kit/policies.ts';
import { authenticate, bearer, jwks, signer, token } from '../istio-jwt/tokens.ts';
import { questionOf, words, type Call } from './call.ts';

const TO = 'httpbin.foo.svc.cluster.local:8000';

function world(
  parts: Parameters<typeof config>[0],
  spec: AuthorizationPolicySpec,
  protocol: PortProtocol = 'http',
): MeshConfig {
  return config({
    workloads: [workload('foo/httpbin'), workload('foo/curl')],
    services: [service('foo/httpbin', { ports: [servicePort(8000, 8080, protocol)] })],
    ...parts,
    authorizationPolicies: [authorizationPolicy(spec)],
  });
}

/** One call through prediction and authorization; `200 mutual_tls` or how it was refused. */
function outcome(
  cfg: MeshConfig,
  call: Partial<Call> & { readonly path?: string; readonly auth?: RequestAuthAttributes } = {},
): string {
  const { path = '/ip', auth, ...rest } = call;
  const question = questionOf({ config: cfg, from: 'foo/curl', to: TO, ...rest });
  const reached = predictOutcome(question);
  if (reached.server === undefined) return words(reached);
  const { principal, protocol } = reached.server;
  const decision = compileAuthorization(cfg).authorize({
    destination: { namespace: 'foo', workload: 'httpbin', port: 8080 },
    ...(principal === undefined ? {} : { source: { principal: principal.replace('spiffe://', '') } }),
    ...(protocol === 'tcp'
      ? {}
      : { request: { method: 'GET', path, host: TO, ...(auth === undefined ? {} : { auth }) } }),
  });
  if (decision.decision === 'allow') return words(reached);
  return words(deniedOutcome(question, reached, { status: decision.status, body: 'RBAC: access denied' }));
}

const allowPrincipals: AuthorizationPolicySpec = { rules: [{ from: [{ source: { principals: ['*'] } }] }] };
const disable = destinationRule('foo/x', { host: 'httpbin', trafficPolicy: { tls: { mode: 'DISABLE' } } });

describe('istio-mtls/with authorization', () => {
  it('a sidecar’s identity satisfies principals', () => {
    expect(outcome(world({}, allowPrincipals))).toBe('200 mutual_tls');
    expect(outcome(world({}, allowPrincipals), { from: undefined })).toBe('403 - rbac_access_denied');
  });

  it('gotcha 17: plaintext to a port that is DISABLE has no identity: 403', () => {
    const policies = [
      peerAuthentication('foo/default', { mtls: { mode: 'STRICT' } }),
      peerAuthentication('foo/port', {
        selector: { matchLabels: { app: 'httpbin' } },
        portLevelMtls: { 8080: { mode: 'DISABLE' } },
      }),
    ];
    expect(outcome(world({ peerAuthentications: policies }, allowPrincipals))).toBe('403 - rbac_access_denied');
  });

  it('gotcha 18: PERMISSIVE with a rule that says DISABLE: 403', () => {
    expect(outcome(world({ destinationRules: [disable] }, allowPrincipals))).toBe('403 - rbac_access_denied');
  });

  it('gotcha 72: an HTTP policy on a port the server takes for TCP refuses everything: 503 UC', () => {
    const deny: AuthorizationPolicySpec = { action: 'DENY', rules: [{ to: [{ operation: { methods: ['POST'] } }] }] };
    const services = [
      service('foo/httpbin', { host: TO.replace(':8000', '') }),
      service('foo/a-first', { selector: { app: 'httpbin' }, ports: [servicePort(9000, 8080, 'tcp')] }),
    ];
    expect(outcome(world({ services }, deny))).toBe('503 UC rbac_access_denied');
  });

  it('gotcha 73: HTTP rules apply on an auto port between sidecars', () => {
    const allowIp: AuthorizationPolicySpec = { rules: [{ to: [{ operation: { paths: ['/ip'] } }] }] };
    const strict = [peerAuthentication('foo/default', { mtls: { mode: 'STRICT' } })];
    const cfg = world({ peerAuthentications: strict }, allowIp, 'auto');
    expect(outcome(cfg)).toBe('200 mutual_tls');
    expect(outcome(cfg, { path: '/other' })).toBe('403 - rbac_access_denied');
  });

  it('gotcha 86: the same call without an Istio ALPN meets the TCP filters: closed', () => {
    const allowIp: AuthorizationPolicySpec = { rules: [{ to: [{ operation: { paths: ['/ip'] } }] }] };
    const strict = [peerAuthentication('foo/default', { mtls: { mode: 'STRICT' } })];
    const mutual = destinationRule('foo/x', {
      host: 'httpbin',
      trafficPolicy: {
        tls: { mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k', caCertificates: '/ca', sni: 'x' },
      },
    });
    const cfg = world({ peerAuthentications: strict, destinationRules: [mutual] }, allowIp, 'auto');
    expect(outcome(cfg, { callerAnchors: ['mesh'] })).toBe('503 UC rbac_access_denied');
  });
});

describe('istio-jwt/with authorization', () => {
  const when = (key: string, ...values: readonly string[]): AuthorizationPolicySpec => ({
    rules: [{ when: [{ key, values }] }],
  });
  const requestPrincipals = (value: string): AuthorizationPolicySpec => ({
    rules: [{ from: [{ source: { requestPrincipals: [value] } }] }],
  });

  async function ask(spec: AuthorizationPolicySpec, claims: Readonly<Record<string, unknown>>): Promise<string> {
    const key = await signer('ES256');
    const rule = { issuer: 'iss', jwks: jwks(key) };
    const result = await authenticate(
      config({
        requestAuthentications: [
          {
            apiVersion: '',
            kind: 'RequestAuthentication',
            metadata: authorizationPolicy({}).metadata,
            spec: { jwtRules: [rule] },
          },
        ],
      }),
      bearer(await token(key, { iss: 'iss', ...claims })),
    );
    if (!result.ok) return `${result.status}`;
    return outcome(world({}, spec), result.auth === undefined ? {} : { auth: result.auth }).slice(0, 3);
  }

  it('gotcha 57: requestPrincipals `*` never matches a token without sub', async () => {
    expect(await ask(requestPrincipals('*'), {})).toBe('403');
    expect(await ask(requestPrincipals('*'), { sub: 'u' })).toBe('200');
  });

  it('gotcha 58: a request principal without a slash is no issuer', async () => {
    expect(await ask(requestPrincipals('iss'), { sub: 'u' })).toBe('403');
    expect(await ask(requestPrincipals('iss/u'), { sub: 'u' })).toBe('200');
  });

  it('gotcha 59: of a scope only its single words match', async () => {
    expect(await ask(when('request.auth.claims[scope]', 'read write'), { scope: 'read write' })).toBe('403');
    expect(await ask(when('request.auth.claims[scope]', 'read'), { scope: 'read write' })).toBe('200');
  });

  it('gotcha 60: a number never equals its digits', async () => {
    expect(await ask(when('request.auth.claims[level]', '5'), { level: 5 })).toBe('403');
    expect(await ask(when('request.auth.claims[level]', '5'), { level: '5' })).toBe('200');
  });
});
