/**
 * Counterexamples as files: the law, the world and the requests, so that `meshproof replay FILE` checks the law on them
 * again, without fast-check and without the test that found them.
 * @module
 */
import { stringify } from 'yaml';
import * as z from 'zod/mini';
import { MeshError } from '../core/index.ts';
import { parseManifests, policyResources, readYaml } from '../istio/index.ts';
import type { MeshRequest } from '../sim/index.ts';
import { type Law, type LawCase, lawNamed } from './laws.ts';
import { manifestsOf } from './manifests.ts';
import type { MeshStep } from './mesh-steps.ts';

export interface Counterexample {
  readonly law: Law;
  readonly sample: LawCase;
  readonly violation: string;
  /** What finds it again with fast-check. */
  readonly found?: { readonly seed: number; readonly path: string };
}

/** The text of a counterexample file. */
export function counterexampleText({ law, sample, violation, found }: Counterexample): string {
  const { world, after, steps } = sample;
  const document = {
    apiVersion: 'meshproof.dev/v1alpha1',
    kind: 'Counterexample',
    law: law.name,
    claim: law.claim,
    violation,
    ...(found === undefined ? {} : { found }),
    requests: world.requests,
    manifests: manifestsOf(world.config),
    ...(after === undefined ? {} : { after: manifestsOf(after) }),
    ...(steps === undefined ? {} : { steps }),
  };
  return `# Run it: npx meshproof replay THIS-FILE\n${stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

const caller = z.union([
  z.string(),
  z.strictObject({
    workload: z.optional(z.string()),
    certificate: z.optional(z.enum(['mesh', 'none', 'rogue', 'expired', 'self-signed'])),
    spiffeId: z.optional(z.string()),
  }),
]);
const request = z.strictObject({
  from: caller,
  to: z.string(),
  method: z.optional(z.string()),
  path: z.optional(z.string()),
  host: z.optional(z.string()),
  headers: z.optional(z.record(z.string(), z.string())),
});
const step = z.union([
  z.strictObject({ call: request }),
  z.strictObject({ apply: z.looseObject({ kind: z.string() }) }),
  z.strictObject({
    remove: z.strictObject({ kind: z.enum(['AuthorizationPolicy', 'PeerAuthentication']), index: z.int() }),
  }),
  z.strictObject({ advance: z.string() }),
  z.strictObject({ rotate: z.literal('all') }),
  z.strictObject({ ca: z.enum(['up', 'down']) }),
  z.strictObject({ restart: z.int() }),
  z.strictObject({ skew: z.strictObject({ workload: z.int(), ms: z.number() }) }),
]);
const schema = z.strictObject({
  apiVersion: z.literal('meshproof.dev/v1alpha1'),
  kind: z.literal('Counterexample'),
  law: z.string(),
  claim: z.string(),
  violation: z.string(),
  found: z.optional(z.strictObject({ seed: z.int(), path: z.string() })),
  requests: z.array(request),
  manifests: z.string(),
  after: z.optional(z.string()),
  steps: z.optional(z.array(step)),
});

/** @throws MeshError `ERR_TEST_INVALID`, ConfigError */
export function readCounterexample(text: string, origin: string): Counterexample {
  const { objects, issues } = readYaml({ origin, text });
  const [fault] = issues;
  if (fault !== undefined)
    throw new MeshError('ERR_TEST_INVALID', `${origin}:${fault.line}:${fault.column}: ${fault.message}`);
  const parsed = schema.safeParse(objects[0]?.value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    throw new MeshError('ERR_TEST_INVALID', `\`${origin}\` is no counterexample: ${where}${issue?.message ?? 'empty'}`);
  }
  const { law, violation, found, requests, manifests, after, steps } = parsed.data;
  const config = parseManifests(manifests, { origin: `${origin} (manifests)` });
  return {
    law: lawNamed(law),
    violation,
    ...(found === undefined ? {} : { found }),
    sample: {
      world: { config, requests: requests.map(requestOf) },
      ...(after === undefined ? {} : { after: parseManifests(after, { origin: `${origin} (after)` }) }),
      ...(steps === undefined ? {} : { steps: steps.map((each) => stepOf(each, origin)) }),
    },
  };
}

/** Fields that are absent, not undefined. */
function requestOf(read: z.infer<typeof request>): MeshRequest {
  return JSON.parse(JSON.stringify(read)) as MeshRequest;
}

function stepOf(read: z.infer<typeof step>, origin: string): MeshStep {
  if ('call' in read) return { call: requestOf(read.call) };
  if (!('apply' in read)) return read;
  const [apply] = policyResources(parseManifests(stringify(read.apply), { origin: `${origin} (steps)` }));
  if (apply === undefined)
    throw new MeshError('ERR_TEST_INVALID', `\`${origin}\`: a step applies \`${read.apply.kind}\`, which is no policy`);
  return { apply };
}
