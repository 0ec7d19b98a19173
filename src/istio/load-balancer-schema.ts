/**
 * Load balancer settings, as the CRD and the webhook accept them. Only whether `simple` is PASSTHROUGH decides anything
 * here; the rest is kept as it is.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings
 * @module
 */
import { quote } from './config-error.ts';
import {
  boolean,
  integer,
  isPlainObject,
  list,
  mapOf,
  number,
  object,
  oneOf,
  string,
  UINT32_MAX,
  uint32,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import { duration } from './duration-text.ts';
import { localitiesFault } from './locality.ts';

const uint64: Decoder<number> = integer(0, Number.MAX_SAFE_INTEGER);
const strings: Decoder<readonly string[]> = list(string);
const PERCENT_MAX = 100;
/** Envoy's limit for the size of a Maglev table, which must be a prime. */
const MAGLEV_TABLE_MAX = 5_000_010;

export const percentage: Decoder<number> = (value, at) => {
  const read = number(value, at);
  if (read === undefined || (read >= 0 && read <= PERCENT_MAX)) return read;
  return at.fault(`expected a number from 0 to ${PERCENT_MAX}, found \`${read}\``);
};

const aggression: Decoder<number> = (value, at) => {
  const read = number(value, at);
  return read === undefined || read > 0 ? read : at.fault(`expected a number above 0, found \`${read}\``);
};

const tableSize: Decoder<number> = (value, at) => {
  const read = integer(1, MAGLEV_TABLE_MAX)(value, at);
  return read === undefined || isPrime(read) ? read : at.fault(`expected a prime number, found \`${read}\``);
};

function isPrime(value: number): boolean {
  if (value < 4) return true;
  if (value % 2 === 0) return false;
  for (let factor = 3; factor * factor <= value; factor += 2) if (value % factor === 0) return false;
  return true;
}

interface Region {
  readonly from?: string;
  readonly to?: string;
}

/** From region to region; anything narrower is not the configuration's to say. */
const failover: Decoder<readonly Region[]> = list(
  object<Region>(
    { from: string, to: string },
    {
      check: ({ from = '', to = '' }, at) => {
        if (from === to) at.fault('`from` and `to` must be different regions');
        for (const [field, region] of Object.entries({ from, to })) {
          if (/[/*]/.test(region)) at.fault(`expected a region without \`/\` and \`*\`, found ${quote(region)}`, field);
        }
      },
    },
  ),
);

interface Distribution {
  readonly from?: string;
  readonly to?: Readonly<Record<string, number>>;
}

const distribute: Decoder<readonly Distribution[]> = list(
  object<Distribution>({ from: string, to: mapOf(integer(1, PERCENT_MAX)) }, { check: checkDistribution }),
);

function checkDistribution({ to = {} }: Distribution, at: Decoding): void {
  const total = Object.values(to).reduce((sum, weight) => sum + weight, 0);
  if (total !== PERCENT_MAX) at.fault(`the weights must add up to ${PERCENT_MAX}, and not to ${total}`, 'to');
  const fault = localitiesFault(Object.keys(to));
  if (fault !== undefined) at.fault(fault, 'to');
}

const TOPOLOGY_LABELS: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

interface Locality {
  readonly distribute?: readonly Distribution[];
  readonly failover?: readonly Region[];
  readonly failoverPriority?: readonly string[];
  readonly enabled?: boolean;
}

const localityLbSetting = object<Locality>(
  { distribute, failover, failoverPriority: strings, enabled: boolean },
  { check: checkLocality },
);

function checkLocality(value: Locality, at: Decoding): void {
  const failsOver = (value.failover?.length ?? 0) > 0;
  const sources = value.distribute ?? [];
  if (sources.length > 0 && failsOver) {
    at.fault('only one of `distribute` and `failover` may be given', 'failover');
    return;
  }
  if (failsOver) refuseTopology(value.failoverPriority, 'cannot stand next to `failover`', at);
  const fault = localitiesFault(sources.map(({ from = '' }) => from));
  if (fault !== undefined) at.fault(fault, 'distribute');
}

const zoneAwareLbSetting = object<PlainObject>(
  { enabled: boolean, failover, failoverPriority: strings, minClusterSize: integer(1, UINT32_MAX) },
  { check: (value, at) => refuseTopology(value['failoverPriority'], 'is what zone awareness sees to itself', at) },
);

function refuseTopology(labels: unknown, why: string, at: Decoding): void {
  if (!Array.isArray(labels)) return;
  labels.forEach((label: unknown, index) => {
    if (typeof label === 'string' && TOPOLOGY_LABELS.has(label)) {
      at.fault(`${quote(label)} ${why}`, 'failoverPriority', index);
    }
  });
}

interface CookieAttribute {
  readonly name: string;
  readonly value?: string;
}

const attributes: Decoder<readonly CookieAttribute[]> = (value, at) => {
  const read = list(object<CookieAttribute>({ name: string, value: string }, { required: ['name'] }))(value, at);
  const seen = new Set<string>();
  read?.forEach(({ name }, index) => {
    if (name === '') at.fault('may not be empty', index, 'name');
    else if (seen.has(name)) at.fault(`the attribute ${quote(name)} is given twice`, index, 'name');
    seen.add(name);
  });
  return read;
};

const httpCookie = object<PlainObject>(
  { name: string, path: string, ttl: string, attributes },
  {
    required: ['name'],
    check: ({ name }, at) => {
      if (name === '') at.fault('may not be empty', 'name');
    },
  },
);

const consistentHash = object<PlainObject>(
  {
    httpHeaderName: string,
    httpCookie,
    useSourceIp: boolean,
    httpQueryParameterName: string,
    ringHash: object<PlainObject>({ minimumRingSize: uint64 }),
    maglev: object<PlainObject>({ tableSize }, { required: ['tableSize'] }),
    minimumRingSize: uint64,
  },
  {
    check: (value, at) => {
      oneAtMost(value, ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'], at);
      oneAtMost(value, ['ringHash', 'maglev'], at);
      if ((value['minimumRingSize'] ?? 0) === 0) return;
      at.warn('deprecated: use `ringHash.minimumRingSize`', 'minimumRingSize');
      if (value['ringHash'] === undefined && value['maglev'] === undefined) return;
      at.fault('cannot stand next to `ringHash` or `maglev`', 'minimumRingSize');
    },
  },
);

function oneAtMost(value: PlainObject, fields: readonly string[], at: Decoding): void {
  const given = fields.filter((field) => value[field] !== undefined);
  const names = given.map((field) => `\`${field}\``).join(', ');
  if (given.length > 1) at.fault(`only one of ${names} may be given`, given[1] ?? '');
}

export const loadBalancer: Decoder<PlainObject> = object<PlainObject>(
  {
    simple: oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
    consistentHash,
    localityLbSetting,
    zoneAwareLbSetting,
    backendUtilization: object<PlainObject>({
      errorUtilizationPenaltyPercent: uint32,
      metricNamesForComputingUtilization: strings,
      weightExpirationPeriod: string,
      weightStabilizationPeriod: string,
      weightUpdatePeriod: string,
    }),
    warmup: object<PlainObject>({ duration, minimumPercent: percentage, aggression }, { required: ['duration'] }),
    warmupDurationSecs: duration,
  },
  {
    check: (value, at) => {
      oneAtMost(value, ['simple', 'consistentHash', 'backendUtilization'], at);
      oneAtMost(value, ['localityLbSetting', 'zoneAwareLbSetting'], at);
    },
  },
);

/** Whether the settings send traffic elsewhere on failure, which takes outlier detection to notice. */
export function failsOver(settings: PlainObject | undefined): boolean {
  return ['localityLbSetting', 'zoneAwareLbSetting'].some((field) => {
    const setting = settings?.[field];
    if (!isPlainObject(setting)) return false;
    return ['failover', 'failoverPriority'].some((name) => {
      const entries = setting[name];
      return Array.isArray(entries) && entries.length > 0;
    });
  });
}
