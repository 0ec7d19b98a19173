/**
 * Kubernetes objects, reduced to what decides identity, selection and ports. Fields we do not read are ignored; those
 * we read must have the right type.
 * @module
 */
import {
  boolean,
  describe,
  integer,
  list,
  object,
  oneOf,
  port,
  PORT_MAX,
  string,
  type Decoder,
  type Decoding,
  type PlainObject,
} from './decode.ts';
import type { ConfigData, ContainerPort, Service, ServicePort, WorkloadKind } from './kubernetes.ts';
import { labels } from './object-meta.ts';
import { portProtocol } from './port-protocol.ts';
import type { ObjectMeta } from './resource.ts';

type Labels = Readonly<Record<string, string>>;
const OPEN = { open: true } as const;
const COUNT_MAX = 2_147_483_647;
const UID_MAX = 2_147_483_647;
const count: Decoder<number> = integer(0, COUNT_MAX);

/** Lets through what is not looked at. */
const ignored: Decoder<unknown> = (value) => value;

interface RawSecurityContext {
  readonly runAsUser?: number;
}

interface RawContainer {
  readonly name?: string;
  readonly image?: string;
  readonly ports?: readonly { readonly containerPort?: number; readonly name?: string; readonly protocol?: string }[];
  readonly restartPolicy?: string;
  readonly securityContext?: RawSecurityContext;
}

interface RawPodSpec {
  readonly securityContext?: RawSecurityContext;
  readonly serviceAccountName?: string;
  readonly serviceAccount?: string;
  readonly hostNetwork?: boolean;
  readonly containers?: readonly RawContainer[];
  readonly initContainers?: readonly RawContainer[];
}

interface RawPod {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels };
  readonly spec?: RawPodSpec;
}

const transport: Decoder<string> = oneOf('TCP', 'UDP', 'SCTP');

const securityContext: Decoder<RawSecurityContext> = object<RawSecurityContext>(
  { runAsUser: integer(0, UID_MAX) },
  OPEN,
);

const container: Decoder<RawContainer> = object<RawContainer>(
  {
    ports: list(
      object<{ containerPort?: number; name?: string; protocol?: string }>(
        { containerPort: port, name: string, protocol: transport },
        { ...OPEN, required: ['containerPort'] },
      ),
    ),
    name: string,
    image: string,
    restartPolicy: string,
    securityContext,
  },
  OPEN,
);

const podSpec: Decoder<RawPodSpec> = object<RawPodSpec>(
  {
    securityContext,
    serviceAccountName: string,
    serviceAccount: string,
    hostNetwork: boolean,
    containers: list(container),
    initContainers: list(container),
  },
  OPEN,
);

const podTemplate: Decoder<RawPod> = object<RawPod>(
  { metadata: object<{ labels?: Labels; annotations?: Labels }>({ labels, annotations: labels }, OPEN), spec: podSpec },
  OPEN,
);

interface RawWorkload {
  readonly template?: RawPod;
  readonly replicas?: number;
  readonly parallelism?: number;
}

const controller: Decoder<RawWorkload> = object<RawWorkload>(
  { template: podTemplate, replicas: count, parallelism: count },
  OPEN,
);

interface RawCronJob {
  readonly jobTemplate?: { readonly spec?: RawWorkload };
}

const cronJob: Decoder<RawCronJob> = object<RawCronJob>(
  { jobTemplate: object<{ spec?: RawWorkload }>({ spec: controller }, OPEN) },
  OPEN,
);

/** A workload before its namespace's labels are known. */
export interface PodFacts {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly serviceAccount: string;
  readonly replicas: number;
  readonly ports: readonly ContainerPort[];
  readonly userIds?: readonly number[];
  readonly hostNetwork: boolean;
  /** The Pod holds a sidecar already: written by `istioctl kube-inject`, or read from a cluster. */
  readonly hasProxy: boolean;
}

const PROXY_CONTAINER = 'istio-proxy';
/** Stands for the image that the webhook is to fill in. */
const IMAGE_OF_WEBHOOK = 'auto';

/** `metadata` is the object's own, which is the Pod's only where the object is a Pod. */
export function readPod(kind: WorkloadKind, value: PlainObject, metadata: ObjectMeta, at: Decoding): PodFacts {
  const spec = value['spec'] ?? {};
  if (kind === 'Pod') {
    const own = at.in('spec', () => podSpec(spec, at));
    return podFacts({ metadata, ...(own === undefined ? {} : { spec: own }) }, 1);
  }
  if (kind === 'CronJob') {
    const template = at.in('spec', () => cronJob(spec, at))?.jobTemplate?.spec;
    return podFacts(template?.template, template?.parallelism ?? 1);
  }
  const decoded = at.in('spec', () => controller(spec, at));
  const replicas = kind === 'DaemonSet' ? 1 : kind === 'Job' ? decoded?.parallelism : decoded?.replicas;
  return podFacts(decoded?.template, replicas ?? 1);
}

function podFacts(read: RawPod | undefined, replicas: number): PodFacts {
  const spec = read?.spec;
  // Restartable init containers run beside the others, so their ports are the Pod's too.
  const sidecars = (spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  const running = [...(spec?.containers ?? []), ...sidecars];
  const isProxy = ({ name }: RawContainer): boolean => name === PROXY_CONTAINER;
  const own = running.filter((container) => !isProxy(container));
  const ports = own.flatMap((container) => container.ports ?? []);
  const userIds = [spec, ...own].flatMap((one) => one?.securityContext?.runAsUser ?? []);
  return {
    labels: read?.metadata?.labels ?? {},
    annotations: read?.metadata?.annotations ?? {},
    serviceAccount: spec?.serviceAccountName || spec?.serviceAccount || 'default',
    replicas,
    ...(userIds.length === 0 ? {} : { userIds }),
    hostNetwork: spec?.hostNetwork ?? false,
    hasProxy: running.some((container) => isProxy(container) && container.image !== IMAGE_OF_WEBHOOK),
    ports: ports.map(({ containerPort, name, protocol }) => ({
      number: containerPort ?? 0,
      ...(name === undefined ? {} : { name }),
      protocol: protocol ?? 'TCP',
    })),
  };
}

interface RawServicePort {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly protocol?: string;
  readonly appProtocol?: string;
}

interface RawService {
  readonly selector?: Labels;
  readonly clusterIP?: string;
  readonly type?: Service['type'];
  readonly ports?: readonly RawServicePort[];
}

/** The name of a port: at most 15 letters, digits and dashes, and at least one letter (RFC 6335). */
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;

const targetPort: Decoder<number | string> = (value, at) => {
  if (typeof value === 'number') return value === 0 ? 0 : port(value, at);
  if (typeof value === 'string' && (value === '' || PORT_NAME.test(value))) return value;
  const hint = typeof value === 'string' && /^\d+$/.test(value) ? '; take away the quotes' : '';
  return at.fault(`expected a port from 1 to ${PORT_MAX} or the name of one, found ${describe(value)}${hint}`);
};

const service: Decoder<RawService> = object<RawService>(
  {
    selector: labels,
    clusterIP: string,
    type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    ports: list(
      object<RawServicePort>(
        { name: string, port, targetPort, protocol: transport, appProtocol: string },
        { ...OPEN, required: ['port'] },
      ),
    ),
  },
  OPEN,
);

export type ServiceFacts = Pick<Service, 'selector' | 'headless' | 'type' | 'ports'>;

export function readService(value: PlainObject, at: Decoding): ServiceFacts {
  const spec = at.in('spec', () => service(value['spec'] ?? {}, at));
  return {
    ...(spec?.selector === undefined ? {} : { selector: spec.selector }),
    headless: spec?.clusterIP === 'None',
    type: spec?.type ?? 'ClusterIP',
    ports: (spec?.ports ?? []).map(servicePort),
  };
}

function servicePort(raw: RawServicePort): ServicePort {
  return {
    ...(raw.name === undefined ? {} : { name: raw.name }),
    port: raw.port,
    targetPort:
      raw.targetPort === undefined || raw.targetPort === 0 || raw.targetPort === '' ? raw.port : raw.targetPort,
    protocol: portProtocol(raw),
  };
}

interface RawData {
  readonly data?: Labels;
  readonly stringData?: Labels;
  readonly binaryData?: unknown;
}

const dataObject: Decoder<RawData> = object<RawData>({ data: labels, stringData: labels, binaryData: ignored }, OPEN);

/** The text of a ConfigMap or Secret. A value of a Secret that is not base64 is a fault; one that is not text is left out. */
export function readConfigData(kind: ConfigData['kind'], value: PlainObject, at: Decoding): Labels {
  const read = dataObject(value, at);
  if (kind === 'ConfigMap') return read?.data ?? {};
  const decoded: [string, string][] = [];
  for (const [key, encoded] of Object.entries(read?.data ?? {})) {
    const bytes = base64(encoded);
    // The value is not shown: it may be a secret in the wrong place.
    if (bytes === undefined) at.fault('expected base64', 'data', key);
    const text = bytes === undefined ? undefined : utf8(bytes);
    if (text !== undefined) decoded.push([key, text]);
  }
  return { ...Object.fromEntries(decoded), ...read?.stringData };
}

function base64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
