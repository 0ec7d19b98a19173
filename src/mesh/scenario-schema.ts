/**
 * The shape of a scenario file (`scenarios/NN-slug/scenario.yaml`). Unknown keys are errors.
 *
 * The schema is the single source: the type, the reader's checks and `schema/scenario.json` come from it.
 * @module
 */
import * as z from 'zod/mini';
import { csr, type CsrFile, duration, event, type EventFile } from './scenario-event-schema.ts';

type CertificateName = 'mesh' | 'none' | 'rogue' | 'expired' | 'self-signed';
type KeyName = 'ecdsa-p256' | 'ecdsa-p384' | 'ed25519' | 'rsa-2048' | 'rsa-3072';

export interface RequestFile {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

export interface ServiceFile {
  readonly latency?: { readonly p50: string; readonly p99: string } | undefined;
  readonly errorRate?: string | number | undefined;
  readonly connections?: number | undefined;
  readonly responses?: readonly ResponseFile[] | undefined;
}

/** What a service answers to one request; anything else is echoed. */
export interface ResponseFile {
  readonly method?: string | undefined;
  readonly path: string;
  readonly status?: number | undefined;
  readonly body?: unknown;
}

export interface LowCodeClientFile {
  readonly file: string;
  /** Calls on the resources of an export that holds no queries. */
  readonly requests?:
    | readonly { readonly resource: string; readonly method: string; readonly path: string; readonly body?: unknown }[]
    | undefined;
  /** Body of what starts the flow. */
  readonly trigger?: unknown;
}

export interface LowCodeFile {
  /** Workload whose identity the clients run under. */
  readonly as: string;
  readonly gateway: string;
  /** Hosts that lead to the gateway. */
  readonly hosts?: readonly string[] | undefined;
  readonly clients: readonly LowCodeClientFile[];
}

/** A port of a workload that faces the outside. */
export interface GatewayFile {
  readonly routes: readonly {
    readonly hosts?: readonly string[] | undefined;
    readonly prefix?: string | undefined;
    readonly to: string;
  }[];
  /** Either names, for which a certificate is made, or files. Absent: plain HTTP. */
  readonly tls?:
    | {
        readonly hosts?: readonly string[] | undefined;
        readonly certificate?: string | undefined;
        readonly key?: string | undefined;
        readonly clientRoots?: string | undefined;
      }
    | undefined;
  readonly trustedProxies?: number | undefined;
}

export interface FlowFile {
  readonly from: string;
  readonly to: string;
  readonly rps: number;
  readonly request?: RequestFile | undefined;
}

export interface AccessFile {
  readonly from:
    | string
    | { readonly workload?: string | undefined; readonly certificate?: CertificateName | undefined };
  readonly to: string;
  readonly request?: RequestFile | undefined;
  readonly expect?: 'allow' | 'deny' | 'handshake-failure' | 'unreachable' | 'timeout' | undefined;
}

export interface ExpectationFile {
  readonly at?: string | undefined;
  readonly flow?: string | undefined;
  readonly lost?: number | undefined;
  readonly rotated?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
}

/** A scenario file as it is written, after its YAML is parsed. */
export interface ScenarioFile {
  readonly apiVersion: 'meshproof.dev/v1alpha1';
  readonly kind: 'Scenario';
  readonly metadata: { readonly name: string; readonly description?: string | undefined };
  readonly seed?: string | number | undefined;
  readonly clock?: { readonly start?: string | undefined; readonly run?: string | undefined } | undefined;
  readonly manifests: readonly string[];
  /** Loopback ports by `namespace/workload:port`; any free one where none is given. */
  readonly listen?: Readonly<Record<string, number>> | undefined;
  readonly ca?:
    | {
        readonly leafTtl?: string | undefined;
        readonly key?: KeyName | undefined;
        /** Life of roots; ten years where absent. */
        readonly rootTtl?: string | undefined;
        /** How old the root is at the start; a week where absent. */
        readonly rootAge?: string | undefined;
        /** Whether the root is renewed, with its key, before it expires; true where absent. */
        readonly renewRoot?: boolean | undefined;
      }
    | undefined;
  /** What is special about single workloads from the start, by `namespace/workload`. */
  readonly workloads?:
    | Readonly<Record<string, { readonly skew?: string | undefined; readonly csr?: CsrFile | undefined }>>
    | undefined;
  readonly rotation?:
    | {
        readonly enabled?: boolean | undefined;
        readonly graceRatio?: number | undefined;
        readonly jitterRatio?: number | undefined;
      }
    | undefined;
  readonly services?: Readonly<Record<string, ServiceFile>> | undefined;
  /** By `namespace/workload:port`. */
  readonly gateways?: Readonly<Record<string, GatewayFile>> | undefined;
  readonly traffic?: readonly FlowFile[] | undefined;
  readonly events?: readonly EventFile[] | undefined;
  readonly access?: readonly AccessFile[] | undefined;
  readonly lowcode?: LowCodeFile | undefined;
  readonly expect?: readonly ExpectationFile[] | undefined;
}

/** `0.2%`, or a plain number of percent */
const percent = z.union([
  z.string().check(z.regex(/^\d+(\.\d+)?%$/, 'expected a percentage such as 0.2%')),
  z.number().check(z.minimum(0), z.maximum(100)),
]);
const instant = z.iso.datetime({ offset: true, error: 'expected an RFC 3339 time such as 2026-01-01T00:00:00Z' });
const method = z.string().check(z.regex(/^[A-Z]+$/, 'expected a method in capitals such as GET'));

const request = z.strictObject({
  method: z.optional(method),
  path: z.optional(z.string().check(z.startsWith('/', 'expected a path that starts with /'))),
  host: z.optional(z.string()),
  headers: z.optional(z.record(z.string(), z.string())),
  body: z.optional(z.string()),
});

const caller = z.union([
  z.string(),
  z.strictObject({
    workload: z.optional(z.string()),
    certificate: z.optional(z.enum(['mesh', 'none', 'rogue', 'expired', 'self-signed'])),
  }),
]);

const service = z.strictObject({
  latency: z.optional(z.strictObject({ p50: duration, p99: duration })),
  errorRate: z.optional(percent),
  connections: z.optional(z.int().check(z.minimum(0), z.maximum(10_000))),
  responses: z.optional(
    z.array(
      z.strictObject({
        method: z.optional(method),
        path: z.string(),
        status: z.optional(z.int().check(z.minimum(200), z.maximum(599))),
        body: z.optional(z.unknown()),
      }),
    ),
  ),
});

const gateway = z.strictObject({
  routes: z
    .array(
      z.strictObject({
        hosts: z.optional(z.array(z.string()).check(z.minLength(1))),
        prefix: z.optional(z.string().check(z.startsWith('/', 'expected a path that starts with /'))),
        to: z.string(),
      }),
    )
    .check(z.minLength(1)),
  tls: z.optional(
    z.strictObject({
      hosts: z.optional(z.array(z.string()).check(z.minLength(1))),
      certificate: z.optional(z.string()),
      key: z.optional(z.string()),
      clientRoots: z.optional(z.string()),
    }),
  ),
  trustedProxies: z.optional(z.int().check(z.minimum(0))),
});

const flow = z.strictObject({
  from: z.string(),
  to: z.string(),
  rps: z.number().check(z.minimum(0)),
  request: z.optional(request),
});

const access = z.strictObject({
  from: caller,
  to: z.string(),
  request: z.optional(request),
  expect: z.optional(z.enum(['allow', 'deny', 'handshake-failure', 'unreachable', 'timeout'])),
});

const expectation = z.strictObject({
  at: z.optional(duration),
  flow: z.optional(z.string()),
  lost: z.optional(z.int().check(z.minimum(0))),
  rotated: z.optional(z.strictObject({ min: z.optional(z.int()), max: z.optional(z.int()) })),
});

const scenario = z.strictObject({
  apiVersion: z.literal('meshproof.dev/v1alpha1'),
  kind: z.literal('Scenario'),
  metadata: z.strictObject({ name: z.string(), description: z.optional(z.string()) }),
  seed: z.optional(z.union([z.string(), z.number()])),
  clock: z.optional(z.strictObject({ start: z.optional(instant), run: z.optional(duration) })),
  manifests: z.array(z.string()).check(z.minLength(1)),
  listen: z.optional(z.record(z.string(), z.int().check(z.minimum(1), z.maximum(65_535)))),
  ca: z.optional(
    z.strictObject({
      leafTtl: z.optional(duration),
      key: z.optional(z.enum(['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048', 'rsa-3072'])),
      rootTtl: z.optional(duration),
      rootAge: z.optional(duration),
      renewRoot: z.optional(z.boolean()),
    }),
  ),
  workloads: z.optional(z.record(z.string(), z.strictObject({ skew: z.optional(duration), csr: z.optional(csr) }))),
  rotation: z.optional(
    z.strictObject({
      enabled: z.optional(z.boolean()),
      graceRatio: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
      jitterRatio: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
    }),
  ),
  services: z.optional(z.record(z.string(), service)),
  gateways: z.optional(z.record(z.string(), gateway)),
  traffic: z.optional(z.array(flow)),
  events: z.optional(z.array(event)),
  access: z.optional(z.array(access)),
  lowcode: z.optional(
    z.strictObject({
      as: z.string(),
      gateway: z.string(),
      hosts: z.optional(z.array(z.string())),
      clients: z.array(
        z.strictObject({
          file: z.string(),
          requests: z.optional(
            z.array(
              z.strictObject({
                resource: z.string(),
                method: z.string(),
                path: z.string(),
                body: z.optional(z.unknown()),
              }),
            ),
          ),
          trigger: z.optional(z.unknown()),
        }),
      ),
    }),
  ),
  expect: z.optional(z.array(expectation)),
});

/** Checks a parsed scenario file. */
export const scenarioSchema: z.ZodMiniType<ScenarioFile> = scenario;
