/**
 * The low-code part of a scenario: reads the exports, audits them against the mesh, and runs them as clients through
 * the gateway.
 * @module
 */
import { Rng } from '../core/index.ts';
import {
  auditClient,
  importLowCode,
  type LowCodeClient,
  type LowCodeFinding,
  runClient,
  type RunResult,
  withRequests,
} from '../lowcode/index.ts';

import type { Mesh } from './mesh.ts';
import { readBeside } from './scenario-file.ts';
import type { LowCodeClientFile, LowCodeFile } from './scenario-schema.ts';

/** One client: what is wrong with it on paper, and what became of its calls. */
export interface LowCodeRun extends RunResult {
  readonly file: string;
  /** Found before any call was made. */
  readonly audit: readonly LowCodeFinding[];
}

export interface LowCodeOptions {
  readonly seed: string;
  /** A seeded stand-in where there is no value. */
  readonly secrets: ((name: string) => string | undefined) | undefined;
  /** Where a file of the scenario lies. */
  readonly path: (file: string) => string;
}

/** Audits and runs every client of a scenario, in order. @throws MeshError `ERR_SCENARIO_INVALID`, `ERR_LOWCODE_INVALID` */
export async function runLowCode(
  mesh: Mesh,
  lowcode: LowCodeFile | undefined,
  options: LowCodeOptions,
): Promise<readonly LowCodeRun[]> {
  if (lowcode === undefined) return [];
  const rng = new Rng(options.seed).fork('lowcode');
  const standIn = rng.fork('secrets');
  const secrets = (name: string): string => options.secrets?.(name) ?? `stand-in-${standIn.integer(1e8, 1e9)}`;
  const runs: LowCodeRun[] = [];
  for (const each of lowcode.clients) {
    const client = await readClient(each, options);
    const audit = auditThrough(mesh, client, lowcode);
    const run = await runThrough(mesh, client, { lowcode, secrets, rng: rng.fork(each.file), trigger: each.trigger });
    runs.push({ file: each.file, audit, ...run });
  }
  return runs;
}

async function readClient(
  { file, requests = [] }: LowCodeClientFile,
  { path }: LowCodeOptions,
): Promise<LowCodeClient> {
  const text = await readBeside(path(file), file);
  return withRequests(
    importLowCode(text, { file }),
    requests.map(({ body, ...rest }) => ({
      ...rest,
      ...(body === undefined ? {} : { body: JSON.parse(JSON.stringify(body)) }),
    })),
  );
}

/** What the export says, and what the policies in force would make of its calls. */
function auditThrough(
  mesh: Mesh,
  client: LowCodeClient,
  { as, gateway, hosts }: LowCodeFile,
): readonly LowCodeFinding[] {
  return auditClient(client, {
    ...(hosts === undefined ? {} : { gatewayHosts: hosts }),
    allows: ({ method, host, path }) => {
      const { result, reason } = mesh.predict({ from: as, to: gateway, method, host, path });
      return { allowed: result === 'allow', why: reason };
    },
  });
}

async function runThrough(
  mesh: Mesh,
  client: LowCodeClient,
  way: {
    readonly lowcode: LowCodeFile;
    readonly secrets: (name: string) => string;
    readonly rng: Rng;
    readonly trigger: unknown;
  },
): Promise<RunResult> {
  const { lowcode, secrets, rng, trigger } = way;
  return runClient(client, {
    now: mesh.clock.now(),
    rng,
    secrets,
    ...(trigger === undefined ? {} : { trigger: JSON.parse(JSON.stringify(trigger)) }),
    ...(lowcode.hosts === undefined ? {} : { gatewayHosts: lowcode.hosts }),
    send: async ({ method, path, host, headers, body }) => {
      const outcome = await mesh.request({
        from: lowcode.as,
        to: lowcode.gateway,
        method,
        path,
        host,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const received = Object.entries(outcome.headers).map(([name, value]) => [name, [value].flat().join(', ')]);
      return {
        status: outcome.status,
        headers: Object.fromEntries(received),
        body: outcome.body,
        evidence: outcome.reason,
      };
    },
  });
}
