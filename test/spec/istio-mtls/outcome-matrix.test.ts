/**
 * What the caller sees: client TLS × server peer authentication, HTTP and TCP.
 * https://istio.io/latest/docs/ops/common-problems/network-issues/ and Envoy's response flags:
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
 */
import { describe, expect, it } from 'vitest';
import type {
  ClientTlsMode,
  ClientTlsSettings,
  DestinationRule,
  MeshConfig,
  MutualTlsMode,
  PortProtocol,
} from '../../../src/istio/index.ts';
import { deniedOutcome, predictOutcome } from '../../../src/policy/outcome-prediction.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  serviceEntry,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';
import { answer, predict, questionOf, words, type Call } from './call.ts';

const TO = 'httpbin.foo.svc.cluster.local:8000';
const SERVER_ID = 'spiffe://cluster.local/ns/foo/sa/httpbin';
type Column = 'none' | 'PERMISSIVE' | 'STRICT' | 'DISABLE';
const COLUMNS: readonly Column[] = ['none', 'PERMISSIVE', 'STRICT', 'DISABLE'];

/** A server of foo/httpbin; its mode is set at workload level, so that auto mTLS sees it per endpoint. */
function world(column: Column, parts: Parameters<typeof config>[0] = {}, protocol: PortProtocol = 'http'): MeshConfig {
  const policies =
    column === 'none'
      ? []
      : [peerAuthentication('foo/httpbin', { selector: { matchLabels: { app: 'httpbin' } }, mtls: { mode: column } })];
  return config({
    workloads: [workload('foo/httpbin', { injected: column !== 'none' })],
    services: [service('foo/httpbin', { ports: [servicePort(8000, 8080, protocol)] })],
    peerAuthentications: policies,
    ...parts,
  });
}

const rule = (tls: ClientTlsSettings): { destinationRules: readonly DestinationRule[] } => ({
  destinationRules: [destinationRule('foo/x', { host: 'httpbin', trafficPolicy: { tls } })],
});
const mode = (name: ClientTlsMode) => rule({ mode: name });
const files = {
  clientCertificate: '/c.pem',
  privateKey: '/k.pem',
  caCertificates: '/ca.pem',
  subjectAltNames: [SERVER_ID],
};

interface Row {
  readonly client: string;
  readonly parts?: Parameters<typeof config>[0];
  readonly call?: Partial<Call>;
  readonly expected: readonly [string, string, string, string];
}

const plainCurl = { from: undefined } as const;
const HTTP_ROWS: readonly Row[] = [
  {
    client: 'no sidecar, plaintext',
    call: plainCurl,
    expected: ['200 none', '200 none', 'reset filter_chain_not_found', '200 none'],
  },
  {
    client: 'no sidecar, TLS with a mesh certificate',
    call: {
      ...plainCurl,
      ownTls: {
        alpn: ['h2', 'http/1.1'],
        names: [],
        anchors: ['mesh'],
        certificate: { names: ['spiffe://cluster.local/ns/x/sa/y'], root: 'mesh', validity: 'valid' },
      },
    },
    expected: [
      'tls_error wrong_version_number',
      'tls_error filter_chain_not_found',
      '200 mutual_tls',
      'tls_error wrong_version_number',
    ],
  },
  {
    client: 'no sidecar, TLS without a certificate',
    call: { ...plainCurl, ownTls: { alpn: [], names: [] } },
    expected: [
      'tls_error wrong_version_number',
      'tls_error filter_chain_not_found',
      'tls_error no_client_certificate',
      'tls_error wrong_version_number',
    ],
  },
  { client: 'sidecar, auto', expected: ['200 none', '200 mutual_tls', '200 mutual_tls', '200 none'] },
  {
    client: 'DISABLE',
    parts: mode('DISABLE'),
    expected: ['200 none', '200 none', '503 UC filter_chain_not_found', '200 none'],
  },
  {
    client: 'ISTIO_MUTUAL',
    parts: mode('ISTIO_MUTUAL'),
    expected: [
      '503 UF,URX wrong_version_number',
      '200 mutual_tls',
      '200 mutual_tls',
      '503 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, default CA',
    parts: mode('SIMPLE'),
    expected: [
      '503 UF,URX wrong_version_number',
      '503 UF,URX filter_chain_not_found',
      '503 UF,URX untrusted_root',
      '503 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, mesh root and name',
    parts: rule({ mode: 'SIMPLE', caCertificates: '/ca.pem', subjectAltNames: [SERVER_ID] }),
    call: { callerAnchors: ['mesh'] },
    expected: [
      '503 UF,URX wrong_version_number',
      '503 UF,URX filter_chain_not_found',
      '503 UC no_client_certificate',
      '503 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, insecureSkipVerify',
    parts: rule({ mode: 'SIMPLE', insecureSkipVerify: true }),
    expected: [
      '503 UF,URX wrong_version_number',
      '503 UF,URX filter_chain_not_found',
      '503 UC no_client_certificate',
      '503 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'MUTUAL, mesh-issued files',
    parts: rule({ mode: 'MUTUAL', ...files }),
    call: { callerAnchors: ['mesh'] },
    expected: [
      '503 UF,URX wrong_version_number',
      '503 UF,URX filter_chain_not_found',
      '200 mutual_tls',
      '503 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'MUTUAL, foreign client certificate',
    parts: rule({ mode: 'MUTUAL', ...files }),
    call: { callerAnchors: ['mesh'], callerCertificate: { root: 'foreign' } },
    expected: [
      '503 UF,URX wrong_version_number',
      '503 UF,URX filter_chain_not_found',
      '503 UC untrusted_root',
      '503 UF,URX wrong_version_number',
    ],
  },
];

const TCP_ROWS: readonly Row[] = [
  {
    client: 'plaintext, no sidecar',
    call: plainCurl,
    expected: ['open none', 'open none', 'closed filter_chain_not_found', 'open none'],
  },
  {
    client: 'plaintext by DISABLE',
    parts: mode('DISABLE'),
    expected: ['open none', 'open none', 'closed filter_chain_not_found', 'open none'],
  },
  { client: 'auto', expected: ['open none', 'open mutual_tls', 'open mutual_tls', 'open none'] },
  {
    client: 'ISTIO_MUTUAL',
    parts: mode('ISTIO_MUTUAL'),
    expected: [
      'closed UF,URX wrong_version_number',
      'open mutual_tls',
      'open mutual_tls',
      'closed UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, application without TLS',
    parts: rule({ mode: 'SIMPLE', insecureSkipVerify: true }),
    expected: [
      'closed UF,URX wrong_version_number',
      'closed UF,URX wrong_version_number',
      'closed no_client_certificate',
      'closed UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, application ends TLS',
    parts: rule({ mode: 'SIMPLE', sni: 'legacy.example' }),
    call: {
      applicationTls: { names: ['legacy.example'], root: 'public', validity: 'valid' },
      callerAnchors: ['public', 'mesh'],
    },
    expected: ['open tls', 'open tls', 'closed no_client_certificate', 'open tls'],
  },
  {
    client: 'TLS of the application, no sidecar',
    call: {
      ...plainCurl,
      ownTls: { alpn: [], names: ['legacy.example'], anchors: ['public', 'mesh'] },
      applicationTls: { names: ['legacy.example'], root: 'public', validity: 'valid' },
    },
    expected: ['open tls', 'open tls', 'tls_error san_mismatch', 'open tls'],
  },
  {
    client: 'TLS of the application inside a sidecar’s tunnel',
    call: {
      ownTls: { alpn: [], names: ['legacy.example'], anchors: ['public'] },
      applicationTls: { names: ['legacy.example'], root: 'public', validity: 'valid' },
    },
    expected: ['open tls', 'open mutual_tls', 'open mutual_tls', 'open tls'],
  },
];

function cases(rows: readonly Row[], protocol: PortProtocol, call: Partial<Call>) {
  return rows.flatMap((row) =>
    COLUMNS.map((column, index) => ({
      client: row.client,
      column,
      expected: row.expected[index] ?? '',
      call: { config: world(column, row.parts, protocol), from: 'foo/curl', to: TO, ...call, ...row.call } as Call,
    })),
  );
}

describe('istio-mtls/outcome: HTTP port', () => {
  it.each(cases(HTTP_ROWS, 'http', {}))('$client → $column: $expected', ({ call, expected }) => {
    expect(answer(call)).toBe(expected);
  });
});

describe('istio-mtls/outcome: TCP port', () => {
  it.each(cases(TCP_ROWS, 'tcp', { speaks: 'tcp' }))('$client → $column: $expected', ({ call, expected }) => {
    expect(answer(call)).toBe(expected);
  });
});

describe('istio-mtls/outcome: identities under ISTIO_MUTUAL', () => {
  const call = (column: Column, parts: Partial<Call>): string =>
    answer({ config: world(column, mode('ISTIO_MUTUAL')), from: 'foo/curl', to: TO, ...parts });

  it.each([
    [
      'server identity not expected',
      { serverCertificate: { names: ['spiffe://cluster.local/ns/foo/sa/mallory'] } },
      '503 UF,URX san_mismatch',
    ],
    ['roots differ', { serverCertificate: { root: 'other' } }, '503 UF,URX untrusted_root'],
    ['client root unknown to the server', { serverAnchors: ['other'] }, '503 UC untrusted_root'],
    [
      'gotcha 74: client trust domain not accepted',
      { callerCertificate: { names: ['spiffe://old-td/ns/foo/sa/curl'] } },
      '503 UC trust_domain_not_accepted',
    ],
    ['client certificate expired', { callerCertificate: { validity: 'expired' } }, '503 UC expired'],
    ['server certificate expired', { serverCertificate: { validity: 'expired' } }, '503 UF,URX expired'],
    [
      'both expired: the client sees it first',
      { serverCertificate: { validity: 'expired' }, callerCertificate: { validity: 'expired' } },
      '503 UF,URX expired',
    ],
    [
      'client certificate expired, TLS 1.2',
      { callerCertificate: { validity: 'expired' }, tlsVersion: 'TLSv1.2' },
      '503 UF,URX expired',
    ],
  ] as const)('%s', (_, parts, expected) => {
    expect(call('PERMISSIVE', parts)).toBe(expected);
    expect(call('STRICT', parts)).toBe(expected);
  });

  it('accepts a client of an alias trust domain and of a caCertificates trust domain', () => {
    const settings = { trustDomainAliases: ['old-td'], caTrustDomains: ['partner'] };
    for (const domain of ['old-td', 'partner']) {
      const parts = { callerCertificate: { names: [`spiffe://${domain}/ns/foo/sa/curl`] } };
      expect(answer({ config: world('STRICT', { settings }), from: 'foo/curl', to: TO, ...parts })).toBe(
        '200 mutual_tls',
      );
    }
  });

  it('does not take a longer trust domain for one it begins with', () => {
    expect(call('STRICT', { callerCertificate: { names: ['spiffe://cluster.localhost/ns/foo/sa/curl'] } })).toBe(
      '503 UC trust_domain_not_accepted',
    );
  });
});

describe('istio-mtls/outcome: details, bodies and logs', () => {
  const of = (column: Column, parts: Parameters<typeof config>[0], call: Partial<Call> = {}) =>
    predict({ config: world(column, parts), from: 'foo/curl', to: TO, ...call });

  it('UC carries connection_termination and no retry', () => {
    expect(of('STRICT', mode('DISABLE'))).toMatchObject({
      details: 'upstream_reset_before_response_started{connection_termination}',
      body: 'upstream connect error or disconnect/reset before headers. reset reason: connection termination',
      serverLog: { status: 0, flags: 'NR', details: 'filter_chain_not_found' },
    });
  });

  it('UF names OpenSSL’s error in the log and not in the body', () => {
    const outcome = of('none', mode('ISTIO_MUTUAL'));
    expect(outcome.details).toBe(
      'upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end}',
    );
    expect(outcome.body).not.toContain('TLS');
    expect(of('STRICT', mode('SIMPLE')).details).toContain('268435581');
  });

  it('a DISABLE server reads TLS on an HTTP port as a codec error', () => {
    expect(of('DISABLE', mode('ISTIO_MUTUAL')).serverLog).toEqual({
      status: 400,
      flags: 'DPE',
      details: 'http1.codec_error',
    });
  });

  it('no endpoint is 503 UH, nothing listening 503 UF,URX without and 503 through a server sidecar', () => {
    expect(of('STRICT', { workloads: [] })).toMatchObject({
      status: 503,
      flags: 'UH',
      details: 'no_healthy_upstream',
      body: 'no healthy upstream',
    });
    expect(of('none', {}, { listening: false })).toMatchObject({
      status: 503,
      flags: 'UF,URX',
      details:
        'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    });
    expect(of('STRICT', {}, { listening: false })).toMatchObject({ status: 503, flags: '-', details: 'via_upstream' });
  });

  it('reports principal and server name where mTLS ends, in lower case', () => {
    expect(of('STRICT', {}).server).toEqual({
      protocol: 'http',
      principal: 'spiffe://cluster.local/ns/foo/sa/curl',
      sni: 'outbound_.8000_._.httpbin.foo.svc.cluster.local',
    });
    expect(of('PERMISSIVE', mode('DISABLE')).server).toEqual({ protocol: 'http' });
    expect(of('STRICT', rule({ mode: 'ISTIO_MUTUAL', sni: 'Upper.Example' })).server?.sni).toBe('upper.example');
  });

  it('raw bytes on a port the client’s sidecar takes for HTTP fail there', () => {
    expect(of('PERMISSIVE', {}, { speaks: 'tcp' })).toMatchObject({
      ending: 'closed',
      flags: 'DPE',
      details: 'http1.codec_error',
    });
  });
});

describe('istio-mtls/outcome: combinations people trip over', () => {
  const foo = (policyMode: MutualTlsMode) => peerAuthentication('foo/default', { mtls: { mode: policyMode } });
  const own = (policyMode: MutualTlsMode) =>
    peerAuthentication('foo/httpbin', { selector: { matchLabels: { app: 'httpbin' } }, mtls: { mode: policyMode } });
  const ask = (parts: Parameters<typeof config>[0], call: Partial<Call> = {}): string =>
    answer({ config: world('PERMISSIVE', parts), from: 'foo/curl', to: TO, ...call });

  it('gotcha 11: a STRICT entry for the Service port refuses nobody', () => {
    const entry = peerAuthentication('foo/httpbin', {
      selector: { matchLabels: { app: 'httpbin' } },
      portLevelMtls: { 8000: { mode: 'STRICT' } },
    });
    expect(ask({ peerAuthentications: [entry] }, plainCurl)).toBe('200 none');
  });

  it('gotcha 16: namespace DISABLE and workload STRICT: 503 UC', () => {
    expect(ask({ peerAuthentications: [foo('DISABLE'), own('STRICT')] })).toBe('503 UC filter_chain_not_found');
  });

  it('gotcha 17: namespace STRICT, port DISABLE: 200 without identity', () => {
    const entry = peerAuthentication('foo/httpbin', {
      selector: { matchLabels: { app: 'httpbin' } },
      portLevelMtls: { 8080: { mode: 'DISABLE' } },
    });
    expect(ask({ peerAuthentications: [foo('STRICT'), entry] })).toBe('200 none');
  });

  it('gotcha 18: PERMISSIVE with DISABLE in the rule: 200, nobody’s identity', () => {
    const outcome = predict({ config: world('PERMISSIVE', mode('DISABLE')), from: 'foo/curl', to: TO });
    expect(outcome.reached).toBe(true);
    expect(outcome.server).not.toHaveProperty('principal');
  });

  it('gotcha 24: the port-entry corner against an injected server that is DISABLE', () => {
    const corner = destinationRule('foo/x', {
      host: 'httpbin',
      trafficPolicy: {
        tls: { mode: 'ISTIO_MUTUAL' },
        portLevelSettings: [{ port: { number: 8000 }, connectionPool: {} }],
      },
    });
    expect(ask({ peerAuthentications: [own('DISABLE')], destinationRules: [corner] })).toBe(
      '503 UF,URX wrong_version_number',
    );
  });

  it('gotcha 28: a dropped credentialName sends plaintext to the TLS port: 400', () => {
    const cfg = config({
      serviceEntries: [
        serviceEntry('foo/ext', {
          hosts: ['ext.example'],
          resolution: 'DNS',
          ports: [{ number: 443, name: 'http-tls', protocol: 'HTTP' }],
        }),
      ],
      destinationRules: [
        destinationRule('foo/x', {
          host: 'ext.example',
          trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'c' } },
        }),
      ],
    });
    const applicationTls = { names: ['ext.example'], root: 'public', validity: 'valid' };
    expect(answer({ config: cfg, from: 'foo/curl', to: 'ext.example:443', applicationTls })).toBe('400 - tls_expected');
  });

  it('gotcha 29: sni without names accepts any certificate of a trusted CA; no sni checks the request host', () => {
    const external = (tls: ClientTlsSettings, name: string): string =>
      answer({
        config: config({
          serviceEntries: [
            serviceEntry('foo/ext', {
              hosts: ['ext.example'],
              resolution: 'DNS',
              ports: [{ number: 443, name: 'http', protocol: 'HTTP' }],
            }),
          ],
          destinationRules: [destinationRule('foo/x', { host: 'ext.example', trafficPolicy: { tls } })],
        }),
        from: 'foo/curl',
        to: 'ext.example:443',
        applicationTls: { names: [name], root: 'public', validity: 'valid' },
      });
    expect(external({ mode: 'SIMPLE', sni: 'ext.example' }, 'other.example')).toBe('200 tls');
    expect(external({ mode: 'SIMPLE' }, 'other.example')).toBe('503 UF,URX san_mismatch');
    expect(external({ mode: 'SIMPLE' }, 'EXT.example')).toBe('200 tls');
    expect(external({ mode: 'SIMPLE' }, '*.example')).toBe('200 tls');
  });

  it('gotcha 76: a mesh certificate shown by plain curl: closed at PERMISSIVE, 200 at STRICT', () => {
    const ownTls = {
      alpn: ['http/1.1'],
      names: [],
      anchors: ['mesh'],
      certificate: { names: [SERVER_ID], root: 'mesh', validity: 'valid' },
    };
    const curl = (column: Column): string => answer({ config: world(column), to: TO, ownTls });
    expect(curl('PERMISSIVE')).toBe('tls_error filter_chain_not_found');
    expect(curl('STRICT')).toBe('200 mutual_tls');
  });

  it('gotcha 84: a ServiceEntry address of a STRICT Pod: 503 UC', () => {
    const entry = serviceEntry('foo/vm', {
      hosts: ['vm.example'],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: 'httpbin.foo.svc.cluster.local', ports: { http: 8000 } }],
    });
    expect(ask({ serviceEntries: [entry], peerAuthentications: [own('STRICT')] }, { to: 'vm.example:80' })).toBe(
      '503 UC filter_chain_not_found',
    );
  });

  it('gotcha 85: a Pod of the service may show the identity of another', () => {
    const workloads = [workload('foo/httpbin'), workload('foo/b', { labels: { app: 'httpbin' } })];
    const presented = { serverCertificate: { names: ['spiffe://cluster.local/ns/foo/sa/b'] } };
    expect(ask({ workloads }, presented)).toBe('200 mutual_tls');
    expect(ask({}, presented)).toBe('503 UF,URX san_mismatch');
  });

  it('gotcha 86: HTTP under MUTUAL to a STRICT auto port arrives at the TCP filters', () => {
    const cfg = world('STRICT', rule({ mode: 'MUTUAL', ...files }), 'auto');
    expect(predict({ config: cfg, from: 'foo/curl', to: TO, callerAnchors: ['mesh'] }).server?.protocol).toBe('tcp');
  });

  it('gotcha 73: HTTP of a sidecar to an auto port arrives at the HTTP filters', () => {
    expect(predict({ config: world('STRICT', {}, 'auto'), from: 'foo/curl', to: TO }).server?.protocol).toBe('http');
    expect(
      predict({ config: world('STRICT', {}, 'auto'), from: 'foo/curl', to: TO, speaks: 'tcp' }).server?.protocol,
    ).toBe('tcp');
  });
});

describe('istio-mtls/outcome: refusal by policy', () => {
  const denial = { status: 403, body: 'RBAC: access denied' };
  const denied = (call: Call): string => {
    const question = questionOf(call);
    return words(deniedOutcome(question, predictOutcome(question), denial));
  };

  it('is 403 at an HTTP port, through a sidecar or without one', () => {
    expect(denied({ config: world('PERMISSIVE'), from: 'foo/curl', to: TO })).toBe('403 - rbac_access_denied');
    expect(denied({ config: world('PERMISSIVE'), to: TO })).toBe('403 - rbac_access_denied');
  });

  it('gotcha 72: an HTTP client’s sidecar sees a TCP refusal as 503 UC', () => {
    const services = [
      service('foo/httpbin', {
        ports: [servicePort(8000, 8080, 'http')],
        metadata: { ...service('foo/httpbin').metadata, creationTimestamp: '2026-01-02T00:00:00Z' },
      }),
      service('foo/older', { ports: [servicePort(9000, 8080, 'tcp')], selector: { app: 'httpbin' } }),
    ];
    expect(denied({ config: world('PERMISSIVE', { services }), from: 'foo/curl', to: TO })).toBe(
      '503 UC rbac_access_denied',
    );
  });

  it('closes a TCP connection', () => {
    expect(denied({ config: world('STRICT', {}, 'tcp'), from: 'foo/curl', to: TO, speaks: 'tcp' })).toBe(
      'closed rbac_access_denied',
    );
  });
});
