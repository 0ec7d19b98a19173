import { describe, expect, it } from 'vitest';
import { portProtocol, type PortNaming, type PortProtocol } from '../../../src/istio/index.ts';

const CASES: readonly (readonly [PortNaming, PortProtocol])[] = [
  [{ port: 80, name: 'http' }, 'http'],
  [{ port: 80, name: 'http-web' }, 'http'],
  [{ port: 80, name: 'HTTP-web' }, 'http'],
  [{ port: 80, name: 'httpweb' }, 'auto'],
  [{ port: 80, name: 'web-http' }, 'auto'],
  [{ port: 80 }, 'auto'],
  [{ port: 80, name: 'http2-x' }, 'http2'],
  [{ port: 80, name: 'grpc' }, 'grpc'],
  [{ port: 80, name: 'grpc-web' }, 'grpc-web'],
  [{ port: 80, name: 'grpc-web-x' }, 'grpc-web'],
  [{ port: 80, name: 'grpc-webx' }, 'grpc-web'],
  [{ port: 443, name: 'https' }, 'https'],
  [{ port: 443, name: 'tls-x' }, 'tls'],
  [{ port: 443, name: 'tcp' }, 'tcp'],
  [{ port: 27_017, name: 'db' }, 'tcp'],
  [{ port: 3306 }, 'tcp'],
  [{ port: 3306, name: 'mysql-x' }, 'mysql'],
  [{ port: 53, protocol: 'UDP', name: 'http' }, 'udp'],
  [{ port: 53, protocol: 'TCP', name: 'udp-x' }, 'udp'],
  [{ port: 80, name: 'tcp-x', appProtocol: 'http' }, 'http'],
  [{ port: 80, name: 'http', appProtocol: 'kubernetes.io/h2c' }, 'http2'],
  [{ port: 80, name: 'http', appProtocol: 'kubernetes.io/ws' }, 'http'],
  [{ port: 80, name: 'http', appProtocol: 'kubernetes.io/wss' }, 'https'],
  [{ port: 80, name: 'http', appProtocol: 'example.com/own' }, 'auto'],
];

describe('portProtocol', () => {
  it.each(CASES)('%j is %s', (naming, protocol) => {
    expect(portProtocol(naming)).toBe(protocol);
  });
});
