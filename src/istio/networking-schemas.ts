/**
 * The fields of the networking.istio.io kinds that decide something here, as their CRDs declare them.
 * Source: https://istio.io/latest/docs/reference/config/networking/
 * @module
 */
import {
  boolean,
  integer,
  list,
  mapOf,
  object,
  oneOf,
  port,
  string,
  type Decoder,
  type PlainObject,
} from './decode.ts';
import type { DestinationRuleSpec, Subset } from './destination-rule.ts';
import { workloadSelector } from './security-schemas.ts';
import type {
  ServiceEntryPort,
  ServiceEntrySpec,
  SidecarIngressListener,
  SidecarSpec,
  WorkloadEntrySpec,
} from './service-entry.ts';
import { connectionPool, trafficPolicy } from './traffic-policy-schema.ts';

const UINT32_MAX = 4_294_967_295;
const HOSTS_MAX = 256;
const ENDPOINTS_MAX = 4096;

const uint32: Decoder<number> = integer(0, UINT32_MAX);
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
  address: string,
  ports: mapOf(port),
  labels: mapOf(string),
  network: string,
  locality: string,
  weight: uint32,
  serviceAccount: string,
});

type LabelSelector = NonNullable<ServiceEntrySpec['workloadSelector']>;
const labelSelector: Decoder<LabelSelector> = object<LabelSelector>({ labels: mapOf(string) });

export const serviceEntrySpec: Decoder<ServiceEntrySpec> = object<ServiceEntrySpec>(
  {
    hosts: list(string, { max: HOSTS_MAX }),
    addresses: list(string, { max: HOSTS_MAX }),
    ports: list(
      object<ServiceEntryPort>(
        { number: port, protocol: string, name: string, targetPort: port },
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

const captureMode = oneOf('DEFAULT', 'IPTABLES', 'NONE');

type IngressPort = SidecarIngressListener['port'];
const ingressPort: Decoder<IngressPort> = object<IngressPort & { readonly targetPort?: number }>(
  { number: port, protocol: string, name: string, targetPort: uint32 },
  { required: ['number'] },
);

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

/** A server's TLS settings: another message than the client's, with other modes. */
const serverTls: Decoder<PlainObject> = object<PlainObject>({
  httpsRedirect: boolean,
  mode: oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'),
  serverCertificate: string,
  privateKey: string,
  caCertificates: string,
  caCertCredentialName: string,
  caCrl: string,
  tlsCertificates: list(object<PlainObject>({ serverCertificate: string, privateKey: string, caCertificates: string })),
  subjectAltNames: strings,
  insecureSkipVerify: boolean,
  credentialName: string,
  credentialNames: strings,
  verifyCertificateSpki: strings,
  verifyCertificateHash: strings,
  minProtocolVersion: tlsVersion,
  maxProtocolVersion: tlsVersion,
  cipherSuites: strings,
  ecdhCurves: strings,
});

const egress: Decoder<PlainObject> = object<PlainObject>(
  { port: ingressPort, bind: string, captureMode, hosts: strings },
  { required: ['hosts'] },
);

type OutboundPolicy = NonNullable<SidecarSpec['outboundTrafficPolicy']>;

export const sidecarSpec: Decoder<SidecarSpec> = object<SidecarSpec>({
  workloadSelector: labelSelector,
  ingress: list(
    object<SidecarIngressListener>(
      { port: ingressPort, bind: string, captureMode, defaultEndpoint: string, tls: serverTls, connectionPool },
      { required: ['port'] },
    ),
  ),
  egress: list(egress),
  outboundTrafficPolicy: object<OutboundPolicy & { readonly egressProxy?: PlainObject }>({
    mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY'),
    egressProxy: object<PlainObject>(
      { host: string, subset: string, port: object<PlainObject>({ number: uint32 }) },
      { required: ['host'] },
    ),
  }),
  inboundConnectionPool: connectionPool,
});
