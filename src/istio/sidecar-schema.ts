/**
 * The fields of a Sidecar, as its CRD declares them.
 * Source: https://istio.io/latest/docs/reference/config/networking/sidecar/
 * @module
 */
import { connectionPool } from './connection-pool-schema.ts';
import { boolean, list, object, oneOf, string, uint32, type Decoder } from './decode.ts';
import { labelSelector } from './networking-schemas.ts';
import type {
  EgressProxy,
  OutboundTrafficPolicy,
  ServerCertificate,
  ServerTlsSettings,
  SidecarEgressListener,
  SidecarIngressListener,
  SidecarPort,
  SidecarSpec,
} from './service-entry.ts';

const strings: Decoder<readonly string[]> = list(string);
/** Of certificates, and of credentials in their stead. */
const CERTIFICATES = { min: 1, max: 2 } as const;

const captureMode = oneOf('DEFAULT', 'IPTABLES', 'NONE');

const sidecarPort: Decoder<SidecarPort> = object<SidecarPort>(
  { number: uint32, protocol: string, name: string, targetPort: uint32 },
  { required: ['number'] },
);

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

const certificate: Decoder<ServerCertificate> = object<ServerCertificate>({
  serverCertificate: string,
  privateKey: string,
  caCertificates: string,
});

const serverTls: Decoder<ServerTlsSettings> = object<ServerTlsSettings>({
  httpsRedirect: boolean,
  mode: oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'),
  serverCertificate: string,
  privateKey: string,
  caCertificates: string,
  caCertCredentialName: string,
  caCrl: string,
  tlsCertificates: list(certificate, CERTIFICATES),
  subjectAltNames: strings,
  insecureSkipVerify: boolean,
  credentialName: string,
  credentialNames: list(string, CERTIFICATES),
  verifyCertificateSpki: strings,
  verifyCertificateHash: strings,
  minProtocolVersion: tlsVersion,
  maxProtocolVersion: tlsVersion,
  cipherSuites: strings,
  ecdhCurves: strings,
});

const ingress: Decoder<SidecarIngressListener> = object<SidecarIngressListener>(
  { port: sidecarPort, bind: string, captureMode, defaultEndpoint: string, tls: serverTls, connectionPool },
  { required: ['port'] },
);

const egress: Decoder<SidecarEgressListener> = object<SidecarEgressListener>(
  { port: sidecarPort, bind: string, captureMode, hosts: strings },
  { required: ['hosts'] },
);

const egressProxy: Decoder<EgressProxy> = object<EgressProxy>(
  { host: string, subset: string, port: object<{ number?: number }>({ number: uint32 }) },
  { required: ['host'] },
);

export const sidecarSpec: Decoder<SidecarSpec> = object<SidecarSpec>({
  workloadSelector: labelSelector,
  ingress: list(ingress),
  egress: list(egress),
  outboundTrafficPolicy: object<OutboundTrafficPolicy>({ mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY'), egressProxy }),
  inboundConnectionPool: connectionPool,
});
