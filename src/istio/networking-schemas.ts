/**
 * The fields of DestinationRule, WorkloadEntry and ServiceEntry, as their CRDs declare them.
 * Source: https://istio.io/latest/docs/reference/config/networking/
 * @module
 */
import { list, mapOf, object, oneOf, port, string, text, uint32, type Decoder } from './decode.ts';
import type { DestinationRuleSpec, Subset } from './destination-rule.ts';
import { workloadSelector } from './security-schemas.ts';
import type { ServiceEntryPort, ServiceEntrySpec, WorkloadEntrySpec } from './service-entry.ts';
import { trafficPolicy } from './traffic-policy-schema.ts';

const HOSTS_MAX = 256;
const ENDPOINTS_MAX = 4096;
const LABELS_MAX = 256;
const ENDPOINT_PORTS_MAX = 128;
const ADDRESS_MAX = 64;
const NAME_MAX = 256;
const PLACE_MAX = 2048;
const ACCOUNT_MAX = 253;

const strings: Decoder<readonly string[]> = list(string);

export const destinationRuleSpec: Decoder<DestinationRuleSpec> = object<DestinationRuleSpec>(
  {
    host: string,
    trafficPolicy,
    subsets: list(object<Subset>({ name: string, labels: mapOf(string), trafficPolicy }, { required: ['name'] })),
    exportTo: strings,
    workloadSelector,
  },
  { required: ['host'] },
);

export const workloadEntrySpec: Decoder<WorkloadEntrySpec> = object<WorkloadEntrySpec>({
  address: text(NAME_MAX),
  ports: mapOf(port, { max: ENDPOINT_PORTS_MAX }),
  labels: mapOf(string, { max: LABELS_MAX }),
  network: text(PLACE_MAX),
  locality: text(PLACE_MAX),
  weight: uint32,
  serviceAccount: text(ACCOUNT_MAX),
});

type LabelSelector = NonNullable<ServiceEntrySpec['workloadSelector']>;
export const labelSelector: Decoder<LabelSelector> = object<LabelSelector>({
  labels: mapOf(string, { max: LABELS_MAX }),
});

export const serviceEntrySpec: Decoder<ServiceEntrySpec> = object<ServiceEntrySpec>(
  {
    hosts: list(string, { max: HOSTS_MAX }),
    addresses: list(text(ADDRESS_MAX), { max: HOSTS_MAX }),
    ports: list(
      object<ServiceEntryPort>(
        { number: port, protocol: text(NAME_MAX), name: text(NAME_MAX), targetPort: port },
        { required: ['number', 'name'] },
      ),
      { max: HOSTS_MAX },
    ),
    location: oneOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
    resolution: oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
    endpoints: list(workloadEntrySpec, { max: ENDPOINTS_MAX }),
    workloadSelector: labelSelector,
    exportTo: strings,
    subjectAltNames: strings,
  },
  { required: ['hosts'] },
);
