/**
 * The shape of a policy-test file (`*.mesh-test.yaml`). Unknown keys are errors.
 *
 * The schema is the single source: the type, the reader's checks and `schema/mesh-test.json` come from it.
 * @module
 */
import * as z from 'zod/mini';

export type TestLevel = 'wire' | 'model' | 'both';

/** What a test may expect; `refused` is a denial or a failed handshake, `no-route` another word for `unreachable`. */
export type ExpectedResult =
  | 'allow'
  | 'deny'
  | 'handshake-failure'
  | 'unreachable'
  | 'no-route'
  | 'timeout'
  | 'refused';

export type CertificateName = 'mesh' | 'none' | 'rogue' | 'expired' | 'self-signed';

/** A caller without a sidecar, and the certificate it shows. */
export interface CertifiedCallerFile {
  /** Namespace and service account on the certificate. */
  readonly ns?: string | undefined;
  readonly sa?: string | undefined;
  /** The mesh's own where absent. */
  readonly trustDomain?: string | undefined;
  /** Instead of `ns` and `sa`: the workload whose name the certificate carries. */
  readonly workload?: string | undefined;
  /** `mesh` where absent: a genuine one. */
  readonly cert?: CertificateName | undefined;
}

export type CallerFile = string | CertifiedCallerFile;

export interface RequestFixture {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

export type RequestChoice = string | RequestFixture;

export interface ExpectationFile {
  readonly result: ExpectedResult;
  readonly status?: number | undefined;
  /** `Kind/namespace/name`, with `[rule]` behind it where one rule is meant; `none` where no policy decided. */
  readonly by?: string | readonly string[] | undefined;
  readonly tls?: 'mutual' | 'simple' | 'none' | undefined;
  /** The reason code of a refusal. */
  readonly reason?: string | undefined;
  /** Bytes of the request that reached the application. */
  readonly appBytesSeen?: number | undefined;
}

type OneOrMore<T> = T | readonly T[];

interface Asked {
  readonly from: OneOrMore<CallerFile>;
  readonly to: OneOrMore<string>;
  readonly request?: OneOrMore<RequestChoice> | undefined;
}

export interface TestEntry extends Asked {
  readonly name: string;
  readonly expect: ExpectedResult | ExpectationFile;
  readonly level?: TestLevel | undefined;
  readonly skip?: boolean | undefined;
  readonly skipReason?: string | undefined;
}

export interface AllowEntry {
  readonly from: OneOrMore<CallerFile>;
  readonly requests: readonly string[];
}

export interface MatrixEntry {
  readonly name?: string | undefined;
  readonly to: OneOrMore<string>;
  /** Every workload of the configuration, and `outside`, where absent. */
  readonly from?: readonly CallerFile[] | undefined;
  readonly requests: readonly RequestChoice[];
  /** Who may: with every request, or with the ones named. Whoever is not listed must be refused. */
  readonly allow: readonly (string | AllowEntry)[];
  readonly level?: TestLevel | undefined;
}

export interface TimelineStep {
  readonly at: string;
  readonly note?: string | undefined;
  readonly apply?: OneOrMore<string> | undefined;
  readonly remove?:
    | readonly { readonly kind: string; readonly namespace?: string | undefined; readonly name: string }[]
    | undefined;
  readonly ca?: 'up' | 'down' | undefined;
  readonly rotation?: 'on' | 'off' | undefined;
  readonly from?: OneOrMore<CallerFile> | undefined;
  readonly to?: OneOrMore<string> | undefined;
  readonly request?: OneOrMore<RequestChoice> | undefined;
  readonly expect?: ExpectedResult | ExpectationFile | undefined;
  /** The same as `expect`, said of every combination. */
  readonly expectAll?: ExpectedResult | ExpectationFile | undefined;
}

/** A policy-test file as it is written, after its YAML is parsed. */
export interface MeshTestFile {
  readonly apiVersion: 'meshproof.dev/v1alpha1';
  readonly kind: 'MeshTest';
  readonly metadata: { readonly name: string; readonly description?: string | undefined };
  /** Manifests of the topology; may be left out where `policies` hold them too. */
  readonly mesh?: OneOrMore<string> | undefined;
  /** Manifests: files, folders, globs. */
  readonly policies: OneOrMore<string>;
  readonly options?:
    | {
        readonly now?: string | undefined;
        readonly level?: TestLevel | undefined;
        readonly seed?: string | number | undefined;
        readonly leafTtl?: string | undefined;
      }
    | undefined;
  readonly fixtures?:
    | {
        readonly requests?: Readonly<Record<string, RequestFixture>> | undefined;
        readonly callers?: Readonly<Record<string, OneOrMore<CallerFile>>> | undefined;
      }
    | undefined;
  readonly tests?: readonly TestEntry[] | undefined;
  readonly matrix?: readonly MatrixEntry[] | undefined;
  readonly timeline?: readonly TimelineStep[] | undefined;
}

const duration = z
  .string()
  .check(z.regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$|^0$/, 'expected a duration such as 24h, 1h30m or 250ms'));
const instant = z.iso.datetime({ offset: true, error: 'expected an RFC 3339 time such as 2026-01-01T00:00:00Z' });
const paths = z.union([z.string(), z.array(z.string()).check(z.minLength(1))]);
const level = z.enum(['wire', 'model', 'both']);

const request = z.strictObject({
  method: z.optional(z.string().check(z.regex(/^[A-Z]+$/, 'expected a method in capitals such as GET'))),
  path: z.optional(z.string().check(z.startsWith('/', 'expected a path that starts with /'))),
  host: z.optional(z.string()),
  headers: z.optional(z.record(z.string(), z.string())),
  body: z.optional(z.string()),
});
const requestChoice = z.union([z.string(), request]);
const requests = z.union([requestChoice, z.array(requestChoice).check(z.minLength(1))]);

const caller = z.union([
  z.string(),
  z.strictObject({
    ns: z.optional(z.string()),
    sa: z.optional(z.string()),
    trustDomain: z.optional(z.string()),
    workload: z.optional(z.string()),
    cert: z.optional(z.enum(['mesh', 'none', 'rogue', 'expired', 'self-signed'])),
  }),
]);
const callers = z.union([caller, z.array(caller).check(z.minLength(1))]);

const result = z.enum(['allow', 'deny', 'handshake-failure', 'unreachable', 'no-route', 'timeout', 'refused']);
const expectation = z.union([
  result,
  z.strictObject({
    result,
    status: z.optional(z.int().check(z.minimum(0), z.maximum(599))),
    by: z.optional(paths),
    tls: z.optional(z.enum(['mutual', 'simple', 'none'])),
    reason: z.optional(z.string()),
    appBytesSeen: z.optional(z.int().check(z.minimum(0))),
  }),
]);

const test = z.strictObject({
  name: z.string().check(z.minLength(1)),
  from: callers,
  to: paths,
  request: z.optional(requests),
  expect: expectation,
  level: z.optional(level),
  skip: z.optional(z.boolean()),
  skipReason: z.optional(z.string()),
});

const matrix = z.strictObject({
  name: z.optional(z.string()),
  to: paths,
  from: z.optional(z.array(caller).check(z.minLength(1))),
  requests: z.array(requestChoice).check(z.minLength(1)),
  allow: z.array(z.union([z.string(), z.strictObject({ from: callers, requests: z.array(z.string()) })])),
  level: z.optional(level),
});

const step = z.strictObject({
  at: duration,
  note: z.optional(z.string()),
  apply: z.optional(paths),
  remove: z.optional(
    z.array(z.strictObject({ kind: z.string(), namespace: z.optional(z.string()), name: z.string() })),
  ),
  ca: z.optional(z.enum(['up', 'down'])),
  rotation: z.optional(z.enum(['on', 'off'])),
  from: z.optional(callers),
  to: z.optional(paths),
  request: z.optional(requests),
  expect: z.optional(expectation),
  expectAll: z.optional(expectation),
});

const file = z.strictObject({
  apiVersion: z.literal('meshproof.dev/v1alpha1'),
  kind: z.literal('MeshTest'),
  metadata: z.strictObject({ name: z.string(), description: z.optional(z.string()) }),
  mesh: z.optional(paths),
  policies: paths,
  options: z.optional(
    z.strictObject({
      now: z.optional(instant),
      level: z.optional(level),
      seed: z.optional(z.union([z.string(), z.number()])),
      leafTtl: z.optional(duration),
    }),
  ),
  fixtures: z.optional(
    z.strictObject({
      requests: z.optional(z.record(z.string(), request)),
      callers: z.optional(z.record(z.string(), callers)),
    }),
  ),
  tests: z.optional(z.array(test)),
  matrix: z.optional(z.array(matrix)),
  timeline: z.optional(z.array(step)),
});

/** Checks a parsed policy-test file. */
export const meshTestSchema: z.ZodMiniType<MeshTestFile> = file;
