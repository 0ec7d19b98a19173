/**
 * Reading a scenario: YAML text → a checked `ScenarioFile`, and the file system's part of finding one by name.
 * @module
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod/mini';
import { didYouMean, MeshError, messageOf } from '../core/index.ts';
import { type ConfigPath, formatPath, readYaml, type SourceObject } from '../istio/index.ts';
import { type ScenarioFile, scenarioSchema } from './scenario-schema.ts';

/** A scenario with the folder its relative paths start from. */
export interface LoadedScenario {
  readonly scenario: ScenarioFile;
  readonly folder: string;
  readonly file: string;
}

/** The scenarios that ship with the package. */
const SHIPPED = fileURLToPath(new URL('../../scenarios', import.meta.url));
export const DEFAULT_SCENARIO = '01-shop';

/**
 * Checks the text of a scenario file.
 * @throws MeshError `ERR_SCENARIO_INVALID`, one line a fault: `file:line:column: path: what`
 */
export function parseScenario(text: string, origin: string): ScenarioFile {
  const { objects, issues } = readYaml({ origin, text });
  const [first] = issues;
  if (first !== undefined) fail([`${origin}:${first.line}:${first.column}: ${first.message}`]);
  const [object, second] = objects;
  if (object === undefined) fail([`${origin}: the file is empty; expected a Scenario`]);
  if (second !== undefined) fail([`${at(second, [])}: a scenario is one document`]);
  const result = scenarioSchema.safeParse(object.value);
  if (!result.success) fail(result.error.issues.flatMap((issue) => describe(issue, object)));
  return result.data;
}

function fail(lines: readonly string[]): never {
  throw new MeshError('ERR_SCENARIO_INVALID', lines.join('\n'));
}

function at(object: SourceObject, path: ConfigPath): string {
  const { file, line, column } = object.origin.keyPosition(path);
  return `${file}:${line}:${column}`;
}

/** Keys of every object of the schema: what a misspelt key may have meant. */
const KEYS: readonly string[] =
  'apiVersion kind metadata name description seed clock start run manifests listen ca leafTtl key rotation enabled graceRatio jitterRatio services latency p50 p99 errorRate connections traffic from to rps request method path host headers body events at apply remove note access expect workload certificate lowcode as gateway hosts clients file requests resource trigger responses status flow lost rotated min max namespace rootTtl rootAge renewRoot workloads gateways routes prefix tls key clientRoots trustedProxies skew csr latency refuse root step news intermediate trustDomain aliases renew revoke'.split(
    ' ',
  );

function describe(issue: z.core.$ZodIssue, object: SourceObject): readonly string[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const where = [...path, key];
      return `${at(object, where)}: ${formatPath(where)}: unknown field \`${key}\`${didYouMean(key, KEYS)}`;
    });
  }
  const label = formatPath(path);
  return [`${at(object, path)}: ${label === '' ? '' : `${label}: `}${plainMessage(issue)}`];
}

function plainMessage(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value')
    return `expected ${issue.values.map((value) => `\`${String(value)}\``).join(' or ')}`;
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? `missing; expected ${issue.expected}` : `expected ${issue.expected}`;
  if (issue.code === 'invalid_union') return 'none of the forms this field can take';
  return issue.message === 'Invalid input' ? 'not valid here' : issue.message;
}

/**
 * Finds and reads a scenario: a folder with a `scenario.yaml`, a file, or the name of one that ships (`01-shop`, or
 * `shop`).
 * @throws MeshError `ERR_SCENARIO_UNKNOWN`, `ERR_SCENARIO_INVALID`
 */
export async function loadScenario(nameOrPath: string = DEFAULT_SCENARIO): Promise<LoadedScenario> {
  const shipped = await shippedScenarios();
  const named = shipped.find((name) => name === nameOrPath || name.replace(/^\d+-/, '') === nameOrPath);
  const file =
    (await scenarioFileAt(resolve(nameOrPath))) ??
    (named === undefined ? undefined : join(SHIPPED, named, 'scenario.yaml'));
  if (file === undefined) {
    const hint = didYouMean(nameOrPath, [...shipped, ...shipped.map((name) => name.replace(/^\d+-/, ''))]);
    throw new MeshError(
      'ERR_SCENARIO_UNKNOWN',
      `no scenario \`${nameOrPath}\`: neither a folder with a scenario.yaml nor one of ${shipped.join(', ')}${hint}`,
    );
  }
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new MeshError('ERR_SCENARIO_UNKNOWN', `cannot read \`${file}\`: ${messageOf(error)}`);
  });
  return { scenario: parseScenario(text, nameFor(file)), folder: dirname(file), file };
}

/** Reads a file that a scenario names. @throws MeshError `ERR_SCENARIO_INVALID` */
export async function readBeside(path: string, name: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new MeshError('ERR_SCENARIO_INVALID', `cannot read \`${name}\`: ${messageOf(error)}`, { cause: error });
  });
}

export async function shippedScenarios(): Promise<readonly string[]> {
  const entries = await readdir(SHIPPED, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && /^\d+-/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

/** How messages name a file: below the working folder without its path, so that they can be clicked. */
function nameFor(file: string): string {
  const here = `${process.cwd()}/`;
  return file.startsWith(here) ? file.slice(here.length) : file;
}

async function scenarioFileAt(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return path;
  if (!found?.isDirectory()) return undefined;
  const inside = join(path, 'scenario.yaml');
  return (await stat(inside).catch(() => undefined))?.isFile() ? inside : undefined;
}
