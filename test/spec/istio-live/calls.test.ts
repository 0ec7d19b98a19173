/**
 * Which connections a port accepts, on real sockets: what the client sends × what the port is declared to speak × mode.
 * Clients have no sidecar. Source: https://istio.io/latest/docs/concepts/security/#permissive-mode and
 * https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH } from '../../../src/core/index.ts';
import { Mesh } from '../../../src/mesh/index.ts';
import { createForeignCertificate, type ForeignCertificate } from '../../../src/pki/index.ts';
import type { ApplicationServer, Caller, Outcome } from '../../../src/sim/index.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../../kit/small-world.ts';

const MODES = ['DISABLE', 'PERMISSIVE', 'STRICT'] as const;
let own: ForeignCertificate;
beforeAll(async () => {
  own = await createForeignCertificate({
    commonName: 'own',
    dnsNames: ['own.example'],
    notBefore: addMs(DEFAULT_EPOCH, -DAY_MS),
    notAfter: addMs(DEFAULT_EPOCH, DAY_MS),
  });
});

/** `own-tls`: the application ends TLS, so bytes that are forwarded unterminated reach it. */
type Application = 'plain' | 'own-tls';

interface Call {
  readonly call: string;
  /** `unknown`: a container port that no Service reaches. */
  readonly port: 'tcp' | 'http' | 'auto' | 'unknown';
  readonly send: 'http' | 'h2c' | 'tcp';
  readonly from: Caller;
  readonly application?: Application;
  readonly expected: readonly [string, string, string];
}

const NO_CERTIFICATE: Caller = { workload: 'default/web', certificate: 'none', alpn: [], verify: 'none' };
const ISTIO: Caller = { workload: 'default/web', certificate: 'mesh', verify: 'none' };
const NFC = 'filter_chain_not_found';
const NO_CERT = 'no_client_certificate';
const CALLS: readonly Call[] = [
  { call: 'tcp', port: 'tcp', send: 'tcp', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'http', port: 'tcp', send: 'http', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  {
    call: 'TLS without certificate',
    port: 'tcp',
    send: 'tcp',
    from: NO_CERTIFICATE,
    application: 'own-tls',
    expected: ['ok tls', 'ok tls', NO_CERT],
  },
  {
    call: 'mTLS to an application that ends TLS',
    port: 'tcp',
    send: 'tcp',
    from: ISTIO,
    application: 'own-tls',
    // Where the sidecar ends the client's TLS the application hears plain bytes, and says so.
    expected: ['ok tls', 'ok mutual_tls', 'ok mutual_tls'],
  },
  {
    call: 'mTLS',
    port: 'tcp',
    send: 'tcp',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
  { call: 'http', port: 'http', send: 'http', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'h2c', port: 'http', send: 'h2c', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'TLS', port: 'http', send: 'http', from: NO_CERTIFICATE, expected: ['wrong_version_number', NFC, NO_CERT] },
  {
    call: 'mTLS',
    port: 'http',
    send: 'http',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
  { call: 'tcp', port: 'http', send: 'tcp', from: 'outside', expected: ['codec_error', 'codec_error', NFC] },
  { call: 'http', port: 'auto', send: 'http', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'h2c', port: 'auto', send: 'h2c', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'tcp', port: 'auto', send: 'tcp', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  {
    call: 'TLS',
    port: 'auto',
    send: 'tcp',
    from: NO_CERTIFICATE,
    application: 'own-tls',
    expected: ['ok tls', 'ok tls', NO_CERT],
  },
  {
    call: 'mTLS http',
    port: 'auto',
    send: 'http',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
  {
    call: 'mTLS tcp',
    port: 'auto',
    send: 'tcp',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
  { call: 'http', port: 'unknown', send: 'http', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'h2c', port: 'unknown', send: 'h2c', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  { call: 'tcp', port: 'unknown', send: 'tcp', from: 'outside', expected: ['ok none', 'ok none', NFC] },
  {
    call: 'TLS',
    port: 'unknown',
    send: 'tcp',
    from: NO_CERTIFICATE,
    application: 'own-tls',
    expected: ['ok tls', 'ok tls', NO_CERT],
  },
  {
    call: 'mTLS http',
    port: 'unknown',
    send: 'http',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
  {
    call: 'mTLS tcp',
    port: 'unknown',
    send: 'tcp',
    from: ISTIO,
    expected: ['wrong_version_number', 'ok mutual_tls', 'ok mutual_tls'],
  },
];

function applicationOf(kind: Application): ApplicationServer {
  const tls = { cert: own.certificate.toPem(), key: own.key.privateKeyPem() };
  const tcp: ApplicationServer['tcp'] = (stream) => {
    stream.on('error', () => undefined);
    stream.pipe(stream);
  };
  return kind === 'own-tls' ? { tls, tcp } : { http: () => ({ status: 200, body: 'hello' }), tcp };
}

const told = ({ result, refusal, connection, body }: Outcome): string => {
  if (result !== 'allow') return refusal?.reason ?? result;
  return body === '' ? 'silent' : `ok ${connection.security}`;
};

describe('istio-live/calls', () => {
  it.each(CALLS.flatMap((row) => MODES.map((mode, index) => ({ ...row, mode, answer: row.expected[index] }))))(
    '$call → $port port, $mode: $answer',
    async ({ port, send, from, mode, application = 'plain', answer }) => {
      const declared = port === 'auto' || port === 'unknown' ? 'x' : port;
      const api = workloadYaml('api')
        .replace('name: http,', `name: ${declared},`)
        .replace('{ containerPort: 8080 }', '{ containerPort: 8080 }, { containerPort: 9090 }');
      await using mesh = await Mesh.start({
        yaml: manifests(workloadYaml('web'), api, peerAuthenticationYaml(mode)),
        applications: { 'default/api': applicationOf(application) },
      });
      const to = port === 'unknown' ? 'default/api:9090' : 'default/api';
      const protocol = send === 'h2c' ? 'h2' : 'http/1.1';
      const outcome =
        send === 'tcp' ? await mesh.connect({ from, to, send: 'hello' }) : await mesh.request({ from, to, protocol });
      const predicted =
        send === 'tcp' ? mesh.predictConnection({ from, to, send: 'hello' }) : mesh.predict({ from, to, protocol });
      // What an application says to bytes that are not the TLS it expects is not for the model to know.
      if (application === 'plain' || from !== ISTIO)
        expect([predicted.result, predicted.status]).toEqual([outcome.result, outcome.status]);
      expect(told(outcome)).toBe(answer);
      if (outcome.result !== 'allow') expect(outcome.refusal?.applicationBytes ?? 0).toBe(0);
    },
  );
});
