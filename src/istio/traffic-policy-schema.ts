/**
 * The fields of a traffic policy.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
 * @module
 */
import { connectionPool, outlierDetection } from './connection-pool-schema.ts';
import {
  boolean,
  list,
  object,
  oneOf,
  string,
  uint32,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import type { ClientTlsSettings, PortTrafficPolicy, TrafficPolicy } from './destination-rule.ts';
import { failsOver, loadBalancer, percentage } from './load-balancer-schema.ts';

const clientTls: Decoder<ClientTlsSettings> = object<ClientTlsSettings>({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: string,
  privateKey: string,
  caCertificates: string,
  credentialName: string,
  subjectAltNames: list(string),
  sni: string,
  insecureSkipVerify: boolean,
  caCrl: string,
});

function checkFailover(policy: Pick<TrafficPolicy, 'loadBalancer' | 'outlierDetection'>, at: Decoding): void {
  if (policy.outlierDetection !== undefined || !failsOver(policy.loadBalancer)) return;
  at.warn('without `outlierDetection` no failure is noticed, so nothing fails over', 'loadBalancer');
}

const portPolicy: Decoder<PortTrafficPolicy> = object<PortTrafficPolicy>(
  {
    port: object<{ number?: number }>({ number: uint32 }),
    tls: clientTls,
    loadBalancer,
    connectionPool,
    outlierDetection,
  },
  { check: checkFailover },
);

const PORT_POLICIES_MAX = 4096;

export const trafficPolicy: Decoder<TrafficPolicy> = object<TrafficPolicy>(
  {
    tls: clientTls,
    portLevelSettings: list(portPolicy, { max: PORT_POLICIES_MAX }),
    loadBalancer,
    connectionPool,
    outlierDetection,
    tunnel: object<PlainObject>(
      { protocol: string, targetHost: string, targetPort: uint32 },
      { required: ['targetHost', 'targetPort'] },
    ),
    proxyProtocol: object<PlainObject>({ version: oneOf('V1', 'V2') }),
    retryBudget: object<PlainObject>({ percent: percentage, minRetryConcurrency: uint32, budgetInterval: string }),
  },
  { check: checkFailover },
);
