/**
 * The fields of a traffic policy. Connection pools, load balancing and outlier detection decide no verdict here, so
 * their values are kept as they are, but a misspelt field in them is refused as the API server refuses it.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
 * @module
 */
import {
  boolean,
  integer,
  list,
  mapOf,
  number,
  object,
  oneOf,
  string,
  type Decoder,
  type PlainObject,
} from './decode.ts';
import type { ClientTlsSettings, PortTrafficPolicy, TrafficPolicy } from './destination-rule.ts';

const INT32_MAX = 2_147_483_647;
const UINT32_MAX = 4_294_967_295;

const int32: Decoder<number> = integer(-INT32_MAX - 1, INT32_MAX);
const uint32: Decoder<number> = integer(0, UINT32_MAX);
const uint64: Decoder<number> = integer(0, Number.MAX_SAFE_INTEGER);
const strings: Decoder<readonly string[]> = list(string);

/** An object whose fields are checked and whose values nobody here reads. */
function opaque(
  fields: Readonly<Record<string, Decoder<unknown>>>,
  ...required: readonly string[]
): Decoder<PlainObject> {
  return object<PlainObject>(fields, { required });
}

const tcp = opaque({
  maxConnections: int32,
  connectTimeout: string,
  idleTimeout: string,
  maxConnectionDuration: string,
  tcpKeepalive: opaque({ probes: uint32, time: string, interval: string }),
});

const http = opaque({
  http1MaxPendingRequests: int32,
  http2MaxRequests: int32,
  maxRequestsPerConnection: int32,
  maxRetries: int32,
  idleTimeout: string,
  h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
  useClientProtocol: boolean,
  maxConcurrentStreams: int32,
  http2KeepAlive: opaque({ interval: string, timeout: string }),
});

export const connectionPool: Decoder<PlainObject> = opaque({ tcp, http });

const failover = list(opaque({ from: string, to: string }));

const consistentHash = opaque({
  httpHeaderName: string,
  httpCookie: opaque(
    { name: string, path: string, ttl: string, attributes: list(opaque({ name: string, value: string }, 'name')) },
    'name',
  ),
  useSourceIp: boolean,
  httpQueryParameterName: string,
  ringHash: opaque({ minimumRingSize: uint64 }),
  maglev: opaque({ tableSize: uint64 }),
  minimumRingSize: uint64,
});

const loadBalancer = opaque({
  simple: oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
  consistentHash,
  localityLbSetting: opaque({
    distribute: list(opaque({ from: string, to: mapOf(uint32) })),
    failover,
    failoverPriority: strings,
    enabled: boolean,
  }),
  zoneAwareLbSetting: opaque({ enabled: boolean, failover, failoverPriority: strings, minClusterSize: uint32 }),
  backendUtilization: opaque({
    errorUtilizationPenaltyPercent: uint32,
    metricNamesForComputingUtilization: strings,
    weightExpirationPeriod: string,
    weightStabilizationPeriod: string,
    weightUpdatePeriod: string,
  }),
  warmup: opaque({ duration: string, minimumPercent: number, aggression: number }, 'duration'),
  warmupDurationSecs: string,
});

const outlierDetection = opaque({
  consecutiveErrors: int32,
  splitExternalLocalOriginErrors: boolean,
  consecutiveLocalOriginFailures: uint32,
  consecutiveGatewayErrors: uint32,
  consecutive5xxErrors: uint32,
  interval: string,
  baseEjectionTime: string,
  maxEjectionPercent: int32,
  minHealthPercent: int32,
  outlierDetectionHttpErrorCodes: list(integer(100, 599)),
});

const clientTls: Decoder<ClientTlsSettings> = object<ClientTlsSettings>({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: string,
  privateKey: string,
  caCertificates: string,
  credentialName: string,
  subjectAltNames: strings,
  sni: string,
  insecureSkipVerify: boolean,
  caCrl: string,
});

const portPolicy: Decoder<PortTrafficPolicy> = object<PortTrafficPolicy>({
  port: object<{ number?: number }>({ number: uint32 }),
  tls: clientTls,
  loadBalancer,
  connectionPool,
  outlierDetection,
});

const PORT_POLICIES_MAX = 4096;

export const trafficPolicy: Decoder<TrafficPolicy> = object<TrafficPolicy>({
  tls: clientTls,
  portLevelSettings: list(portPolicy, { max: PORT_POLICIES_MAX }),
  loadBalancer,
  connectionPool,
  outlierDetection,
  tunnel: opaque({ protocol: string, targetHost: string, targetPort: uint32 }, 'targetHost', 'targetPort'),
  proxyProtocol: opaque({ version: oneOf('V1', 'V2') }),
  retryBudget: opaque({ percent: number, minRetryConcurrency: uint32, budgetInterval: string }),
});
