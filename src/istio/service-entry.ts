/**
 * networking.istio.io ServiceEntry, WorkloadEntry and Sidecar (its ingress).
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
 * @module
 */
import type { Resource } from './resource.ts';

export interface WorkloadEntrySpec {
  readonly address?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

export interface ServiceEntryPort {
  readonly number: number;
  readonly protocol?: string;
  readonly name: string;
  readonly targetPort?: number;
}

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports?: readonly ServiceEntryPort[];
  readonly location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  readonly resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export interface SidecarPort {
  readonly number: number;
  readonly protocol?: string;
  readonly name?: string;
  readonly targetPort?: number;
}

/** A server's TLS settings: another message than the client's, with other modes. */
export interface ServerTlsSettings {
  readonly httpsRedirect?: boolean;
  readonly mode?: 'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'AUTO_PASSTHROUGH' | 'ISTIO_MUTUAL' | 'OPTIONAL_MUTUAL';
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCertCredentialName?: string;
  readonly caCrl?: string;
  readonly tlsCertificates?: readonly ServerCertificate[];
  readonly subjectAltNames?: readonly string[];
  readonly insecureSkipVerify?: boolean;
  readonly credentialName?: string;
  readonly credentialNames?: readonly string[];
  readonly verifyCertificateSpki?: readonly string[];
  readonly verifyCertificateHash?: readonly string[];
  readonly minProtocolVersion?: TlsProtocolVersion;
  readonly maxProtocolVersion?: TlsProtocolVersion;
  readonly cipherSuites?: readonly string[];
  readonly ecdhCurves?: readonly string[];
}

export interface ServerCertificate {
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
}

export type TlsProtocolVersion = 'TLS_AUTO' | 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3';

export type CaptureMode = 'DEFAULT' | 'IPTABLES' | 'NONE';

export interface SidecarIngressListener {
  readonly port: SidecarPort;
  readonly bind?: string;
  readonly captureMode?: CaptureMode;
  readonly defaultEndpoint?: string;
  readonly tls?: ServerTlsSettings;
  readonly connectionPool?: Readonly<Record<string, unknown>>;
}

export interface SidecarEgressListener {
  readonly port?: SidecarPort;
  readonly bind?: string;
  readonly captureMode?: CaptureMode;
  readonly hosts: readonly string[];
}

export interface EgressProxy {
  readonly host: string;
  readonly subset?: string;
  readonly port?: { readonly number?: number };
}

export interface OutboundTrafficPolicy {
  /** REGISTRY_ONLY where absent: the API's zero value, and not the mesh's default. */
  readonly mode?: 'REGISTRY_ONLY' | 'ALLOW_ANY';
  readonly egressProxy?: EgressProxy;
}

export interface SidecarSpec {
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly ingress?: readonly SidecarIngressListener[];
  readonly egress?: readonly SidecarEgressListener[];
  readonly outboundTrafficPolicy?: OutboundTrafficPolicy;
  readonly inboundConnectionPool?: Readonly<Record<string, unknown>>;
}

export type ServiceEntry = Resource<'ServiceEntry', ServiceEntrySpec>;
export type WorkloadEntry = Resource<'WorkloadEntry', WorkloadEntrySpec>;
export type Sidecar = Resource<'Sidecar', SidecarSpec>;
