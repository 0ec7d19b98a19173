/**
 * Connection pools and outlier detection, as the CRD and the webhook accept them. They decide no verdict here: their
 * values are kept as they are.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#ConnectionPoolSettings
 * @module
 */
import {
  boolean,
  integer,
  list,
  object,
  oneOf,
  uint32,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import { duration, durationOrZero } from './duration-text.ts';

const INT32_MAX = 2_147_483_647;
const PERCENT_MAX = 100;

/** Signed in the API, where the webhook refuses what is negative. */
const count: Decoder<number> = integer(0, INT32_MAX);
const percent: Decoder<number> = integer(0, PERCENT_MAX);

const tcp = object<PlainObject>({
  maxConnections: count,
  connectTimeout: duration,
  idleTimeout: durationOrZero,
  maxConnectionDuration: duration,
  tcpKeepalive: object<PlainObject>({ probes: uint32, time: duration, interval: duration }),
});

const http = object<PlainObject>(
  {
    http1MaxPendingRequests: count,
    http2MaxRequests: count,
    maxRequestsPerConnection: count,
    maxRetries: count,
    idleTimeout: duration,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: boolean,
    maxConcurrentStreams: count,
    http2KeepAlive: object<PlainObject>(
      { interval: duration, timeout: duration },
      { required: ['interval', 'timeout'] },
    ),
  },
  {
    check: ({ h2UpgradePolicy, useClientProtocol }, at) => {
      if (h2UpgradePolicy !== 'UPGRADE' || useClientProtocol !== true) return;
      at.fault('cannot be true together with `h2UpgradePolicy: UPGRADE`', 'useClientProtocol');
    },
  },
);

export const connectionPool: Decoder<PlainObject> = object<PlainObject>({ tcp, http }, { check: needsAField });

function needsAField(value: PlainObject, at: Decoding): void {
  if (value['tcp'] === undefined && value['http'] === undefined) at.fault('needs `tcp` or `http`');
}

export const outlierDetection: Decoder<PlainObject> = object<PlainObject>(
  {
    consecutiveErrors: integer(-INT32_MAX - 1, INT32_MAX),
    splitExternalLocalOriginErrors: boolean,
    consecutiveLocalOriginFailures: uint32,
    consecutiveGatewayErrors: uint32,
    consecutive5xxErrors: uint32,
    interval: duration,
    baseEjectionTime: duration,
    maxEjectionPercent: percent,
    minHealthPercent: percent,
    outlierDetectionHttpErrorCodes: list(integer(100, 599)),
  },
  { check: checkOutlierDetection },
);

function checkOutlierDetection(value: PlainObject, at: Decoding): void {
  if ((value['consecutiveErrors'] ?? 0) !== 0) {
    at.warn('deprecated: use consecutiveGatewayErrors or consecutive5xxErrors', 'consecutiveErrors');
  }
  if ((value['consecutiveLocalOriginFailures'] ?? 0) !== 0 && value['splitExternalLocalOriginErrors'] !== true) {
    at.fault('needs `splitExternalLocalOriginErrors: true`', 'consecutiveLocalOriginFailures');
  }
}
