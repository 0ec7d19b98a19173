/**
 * The Kubernetes objects a mesh is inferred from, reduced to what decides identity, selection and ports.
 * @module
 */
import type { ObjectMeta, ResourceOrigin } from './resource.ts';

export interface Namespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly origin?: ResourceOrigin;
}

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly origin?: ResourceOrigin;
}

export interface ContainerPort {
  readonly number: number;
  readonly name?: string;
  readonly protocol: string;
}

export type WorkloadKind =
  | 'Deployment'
  | 'StatefulSet'
  | 'DaemonSet'
  | 'ReplicaSet'
  | 'Job'
  | 'CronJob'
  | 'Pod'
  | 'ReplicationController';

/** What runs: a Pod or the controller of equal Pods. Labels and annotations are the Pod's (the template's). */
export interface Workload {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** `default` where the Pod names none. */
  readonly serviceAccount: string;
  readonly replicas: number;
  readonly ports: readonly ContainerPort[];
  /** Users that the Pod and its containers, but for the sidecar, ask to run as. */
  readonly userIds?: readonly number[];
  /** Whether Istio's webhook would inject a sidecar (namespace label, Pod label and annotation, revision). */
  readonly injected: boolean;
  /** Why `injected` is what it is, for people: `namespace label istio-injection=enabled`. */
  readonly injectionReason: string;
  readonly origin?: ResourceOrigin;
}

/** What Istio takes a port to speak. `auto` is sniffed at run time. */
export type PortProtocol =
  | 'http'
  | 'http2'
  | 'grpc'
  | 'grpc-web'
  | 'https'
  | 'tls'
  | 'tcp'
  | 'udp'
  | 'mongo'
  | 'mysql'
  | 'redis'
  | 'auto';

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  /** A number, or the name of a container port; equals `port` where the manifest names none. */
  readonly targetPort: number | string;
  readonly protocol: PortProtocol;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly metadata: ObjectMeta;
  /** `<name>.<namespace>.svc.<cluster domain>` */
  readonly host: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly headless: boolean;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly ports: readonly ServicePort[];
  readonly origin?: ResourceOrigin;
}

/** A Secret or ConfigMap, with its text values decoded; anything binary is left out. */
export interface ConfigData {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
}
