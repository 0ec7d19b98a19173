/**
 * Inbound filter chains: mode × port protocol × what the connection looks like. The truth table is that of Istio's own
 * simulation of sidecar listeners, written out here as our own table.
 * https://istio.io/latest/docs/concepts/security/#mutual-tls-authentication
 */
import { describe, expect, it } from 'vitest';
import {
  inboundResult,
  rewritesProbes,
  selectFilterChain,
  type InboundConnection,
} from '../../../src/policy/inbound.ts';
import type { ProtocolClass } from '../../../src/policy/inbound-ports.ts';
import type { EffectiveMtlsMode } from '../../../src/policy/peer-authentication.ts';
import { workload } from '../../kit/mesh-resources.ts';

const bytes = (spoken: 'http' | 'tcp'): InboundConnection => ({ bytes: spoken });
const oneWay = (spoken: 'http' | 'tcp'): InboundConnection => ({
  bytes: spoken,
  tls: { alpn: spoken === 'http' ? ['h2', 'http/1.1'] : [], clientCertificate: false },
});
const fromSidecar = (spoken: 'http' | 'tcp'): InboundConnection => ({
  bytes: spoken,
  tls: {
    alpn: spoken === 'http' ? ['istio-http/1.1', 'istio', 'http/1.1'] : ['istio-peer-exchange', 'istio'],
    clientCertificate: true,
  },
});

function answer(mode: EffectiveMtlsMode, port: ProtocolClass, connection: InboundConnection): string {
  const { result, terminated } = inboundResult(mode, port, connection);
  return terminated && (result === 'http' || result === 'tcp') ? `mtls ${result}` : result;
}

const NONE = 'no_filter_chain';
const CERT = 'client_certificate_required';
const CODEC = 'codec_error';

// Call, port, connection, then DISABLE, PERMISSIVE, STRICT. `tcp` without `mtls` forwards the bytes, TLS included.
const TABLE: readonly (readonly [string, ProtocolClass, InboundConnection, string, string, string])[] = [
  ['tcp bytes', 'tcp', bytes('tcp'), 'tcp', 'tcp', NONE],
  ['http bytes', 'tcp', bytes('http'), 'tcp', 'tcp', NONE],
  ['TLS', 'tcp', oneWay('tcp'), 'tcp', 'tcp', CERT],
  ['HTTPS', 'tcp', oneWay('http'), 'tcp', 'tcp', CERT],
  ['mTLS tcp', 'tcp', fromSidecar('tcp'), 'tcp', 'mtls tcp', 'mtls tcp'],
  ['mTLS http', 'tcp', fromSidecar('http'), 'tcp', 'mtls tcp', 'mtls tcp'],
  ['http bytes', 'http', bytes('http'), 'http', 'http', NONE],
  ['TLS', 'http', oneWay('tcp'), CODEC, NONE, CERT],
  ['HTTPS', 'http', oneWay('http'), CODEC, NONE, CERT],
  ['mTLS http', 'http', fromSidecar('http'), CODEC, 'mtls http', 'mtls http'],
  ['tcp bytes', 'http', bytes('tcp'), CODEC, CODEC, NONE],
  ['http/1.1 bytes', 'auto', bytes('http'), 'http', 'http', NONE],
  ['h2c bytes', 'auto', bytes('http'), 'http', 'http', NONE],
  ['tcp bytes', 'auto', bytes('tcp'), 'tcp', 'tcp', NONE],
  ['TLS', 'auto', oneWay('tcp'), 'tcp', 'tcp', CERT],
  ['HTTPS', 'auto', oneWay('http'), 'tcp', 'tcp', CERT],
  ['mTLS tcp', 'auto', fromSidecar('tcp'), 'tcp', 'mtls tcp', 'mtls tcp'],
  ['mTLS http', 'auto', fromSidecar('http'), 'tcp', 'mtls http', 'mtls http'],
  ['http bytes', 'unknown', bytes('http'), 'http', 'http', NONE],
  ['tcp bytes', 'unknown', bytes('tcp'), 'tcp', 'tcp', NONE],
  ['TLS', 'unknown', oneWay('tcp'), 'tcp', 'tcp', CERT],
  ['HTTPS', 'unknown', oneWay('http'), 'tcp', 'tcp', CERT],
  ['mTLS http', 'unknown', fromSidecar('http'), 'tcp', 'mtls http', 'mtls http'],
];

describe('istio-mtls/inbound: 23 calls in three modes', () => {
  const rows = TABLE.flatMap(([call, port, connection, disable, permissive, strict]) => [
    { call, port, connection, mode: 'DISABLE' as const, expected: disable },
    { call, port, connection, mode: 'PERMISSIVE' as const, expected: permissive },
    { call, port, connection, mode: 'STRICT' as const, expected: strict },
  ]);

  it.each(rows)('$call → $port port, $mode: $expected', ({ mode, port, connection, expected }) => {
    expect(answer(mode, port, connection)).toBe(expected);
  });

  it('is the whole table', () => {
    expect(rows).toHaveLength(69);
  });
});

describe('istio-mtls/inbound: ALPN', () => {
  const chain = (mode: EffectiveMtlsMode, port: ProtocolClass, ...alpn: readonly string[]) =>
    selectFilterChain(mode, port, { transport: 'tls', alpn });

  it('gotcha 76: a mesh certificate without an Istio ALPN finds no chain at a PERMISSIVE HTTP port, and works at STRICT', () => {
    const curl: InboundConnection = { bytes: 'http', tls: { alpn: ['h2', 'http/1.1'], clientCertificate: true } };
    expect(answer('PERMISSIVE', 'http', curl)).toBe(NONE);
    expect(answer('STRICT', 'http', curl)).toBe('mtls http');
  });

  it('gotcha 86: at a STRICT auto port TLS without an Istio HTTP protocol takes the TCP chain', () => {
    const curl: InboundConnection = { bytes: 'http', tls: { alpn: [], clientCertificate: true } };
    expect(answer('STRICT', 'auto', curl)).toBe('mtls tcp');
  });

  it('gotcha 73: an auto port recognises a sidecar’s HTTP by istio-http/1.1', () => {
    expect(chain('STRICT', 'auto', 'istio-http/1.1', 'istio', 'http/1.1')?.protocol).toBe('http');
    expect(chain('PERMISSIVE', 'auto', 'istio-h2', 'istio', 'h2')?.protocol).toBe('http');
  });

  it('goes by the first protocol of the client that a chain names', () => {
    expect(chain('PERMISSIVE', 'auto', 'x', 'istio', 'istio-http/1.1')?.protocol).toBe('tcp');
    expect(chain('PERMISSIVE', 'auto', 'x', 'istio-http/1.0', 'istio')?.protocol).toBe('http');
  });

  it.each(['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'])(
    'takes `%s` for a sidecar at a PERMISSIVE HTTP port',
    (name) => {
      expect(chain('PERMISSIVE', 'http', name)?.terminatesTls).toBe(true);
      expect(chain('PERMISSIVE', 'http', name.toUpperCase())).toBeUndefined();
    },
  );

  it('offers h2 and http/1.1 on HTTP chains, istio-peer-exchange before them on TCP chains', () => {
    expect(chain('STRICT', 'http')?.alpn).toEqual(['h2', 'http/1.1']);
    expect(chain('STRICT', 'tcp')?.alpn).toEqual(['istio-peer-exchange', 'h2', 'http/1.1']);
  });

  it('reads TCP inside a sidecar’s mTLS to an HTTP port as a codec error', () => {
    expect(inboundResult('STRICT', 'http', fromSidecar('tcp'))).toEqual({ result: CODEC, terminated: true });
  });
});

describe('istio-mtls/inbound: probes', () => {
  it('gotcha 81: kubelet probes are rewritten to the agent unless an annotation forbids it', () => {
    expect(rewritesProbes(workload('foo/a'))).toBe(true);
    const off = { annotations: { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' } };
    expect(rewritesProbes(workload('foo/a', off))).toBe(false);
    expect(rewritesProbes(workload('foo/a', { injected: false }))).toBe(false);
    expect(answer('STRICT', 'http', bytes('http'))).toBe(NONE);
  });
});
