/**
 * A policy-test file with everything it needs to run: configuration, single tests, steps of its timeline.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DEFAULT_EPOCH, type Instant, MeshError, messageOf, parseDuration, parseInstant } from '../core/index.ts';
import type { ConfigPath, MeshConfig, PolicyResource, ResourceRef } from '../istio/index.ts';
import { policyResources } from '../istio/index.ts';
import { loadManifests } from '../mesh/index.ts';
import { displayPath, expandPath } from './file-names.ts';
import { list, type TestCase, testCases } from './test-case.ts';
import { parseTestFile, type TestDocument } from './test-file.ts';
import type { TimelineStep } from './test-schema.ts';

export interface SuiteStep {
  /** Since the start. */
  readonly atMs: number;
  /** What `apply` was read from. */
  readonly manifests: readonly string[];
  readonly apply: readonly PolicyResource[];
  readonly remove: readonly ResourceRef[];
  readonly ca?: 'up' | 'down';
  readonly rotation?: 'on' | 'off';
}

export interface Suite {
  /** As results name it: from the working folder. */
  readonly file: string;
  readonly path: string;
  readonly name: string;
  /** The manifests it names: files and folders. */
  readonly manifests: readonly string[];
  readonly config: MeshConfig;
  readonly start: Instant;
  readonly seed: string;
  readonly leafTtl?: string;
  readonly cases: readonly TestCase[];
  readonly steps: readonly SuiteStep[];
}

/**
 * Reads a policy-test file and the manifests it names.
 * @throws MeshError `ERR_TEST_INVALID`, `ERR_CONFIG_…`
 */
export async function loadSuite(file: string): Promise<Suite> {
  const path = resolve(file);
  const shown = displayPath(path);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MeshError('ERR_TEST_INVALID', `cannot read \`${shown}\`: ${messageOf(cause)}`, { cause });
  });
  const document = parseTestFile(text, shown);
  const folder = dirname(path);
  const { mesh, policies, options = {}, metadata, timeline = [] } = document.file;
  const manifests = [
    ...(await manifestFiles(mesh, ['mesh'], { document, folder })),
    ...(await manifestFiles(policies, ['policies'], { document, folder })),
  ];
  document.finish();
  const config = await loadManifests(manifests);
  const cases = testCases(document, shown, config);
  const steps = await readSteps(timeline, document, folder);
  const applied = steps.flatMap(({ manifests: files }) => files);
  if (cases.length === 0) document.fault([], 'the file holds no test: neither `tests`, `matrix` nor `timeline`');
  document.finish();
  return {
    file: shown,
    path,
    name: metadata.name,
    manifests: [...new Set([...manifests, ...applied])],
    config,
    start: options.now === undefined ? DEFAULT_EPOCH : parseInstant(options.now),
    seed: String(options.seed ?? metadata.name),
    ...(options.leafTtl === undefined ? {} : { leafTtl: options.leafTtl }),
    cases,
    steps,
  };
}

async function readSteps(
  timeline: readonly TimelineStep[],
  document: TestDocument,
  folder: string,
): Promise<readonly SuiteStep[]> {
  const steps: SuiteStep[] = [];
  let last = 0;
  for (const [index, { at, apply, remove, ca, rotation }] of timeline.entries()) {
    const atMs = parseDuration(at);
    if (atMs < last) document.fault(['timeline', index, 'at'], `\`${at}\` comes before the step above it`);
    last = atMs;
    const files = await manifestFiles(apply, ['timeline', index, 'apply'], { document, folder });
    steps.push({
      atMs,
      manifests: files,
      apply: files.length === 0 ? [] : policyResources(await loadManifests(files)),
      remove: (remove ?? []).map(({ kind, namespace, name }) => ({ kind, name, namespace: namespace ?? 'default' })),
      ...(ca === undefined ? {} : { ca }),
      ...(rotation === undefined ? {} : { rotation }),
    });
  }
  return steps;
}

/** The files a field of the test file names, as messages name them; ones that are not there are faults of the field. */
async function manifestFiles(
  named: string | readonly string[] | undefined,
  path: ConfigPath,
  { document, folder }: { readonly document: TestDocument; readonly folder: string },
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const [index, pattern] of list(named).entries()) {
    try {
      files.push(...(await expandPath(pattern, folder)));
    } catch (error) {
      document.fault(typeof named === 'string' ? path : [...path, index], messageOf(error));
    }
  }
  return files.map(displayPath);
}
