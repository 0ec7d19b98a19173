/**
 * Reading a policy-test file: YAML text → a checked `MeshTestFile` that knows where everything was written.
 * @module
 */
import type * as z from 'zod/mini';
import { didYouMean, MeshError } from '../core/index.ts';
import { type ConfigPath, formatPath, readYaml, type SourceObject } from '../istio/index.ts';
import { type MeshTestFile, meshTestSchema } from './test-schema.ts';

export interface TestDocument {
  readonly file: MeshTestFile;
  /** Where the value at `path` was written. */
  position(path: ConfigPath): { readonly line: number; readonly column: number };
  /** Collects a fault of the value at `path`; thrown by `finish`. */
  fault(path: ConfigPath, message: string): void;
  /** @throws MeshError `ERR_TEST_INVALID` with every fault that was collected */
  finish(): void;
}

/**
 * Checks the text of a policy-test file.
 * @throws MeshError `ERR_TEST_INVALID`, one line a fault: `file:line:column: path: what`
 */
export function parseTestFile(text: string, origin: string): TestDocument {
  const { objects, issues } = readYaml({ origin, text });
  const [first] = issues;
  if (first !== undefined) refuse([`${origin}:${first.line}:${first.column}: ${first.message}`]);
  const [object, second] = objects;
  if (object === undefined) refuse([`${origin}: the file is empty; expected a MeshTest`]);
  if (second !== undefined) refuse([`${at(second, [])}: a policy-test file is one document`]);
  const result = meshTestSchema.safeParse(object.value);
  if (!result.success) refuse(result.error.issues.flatMap((issue) => faultsOf(issue, [], object)));
  const faults: string[] = [];
  return {
    file: result.data,
    position: (path) => object.origin.position(path),
    fault: (path, message) => faults.push(`${at(object, path)}: ${formatPath(path)}: ${message}`),
    finish: () => {
      if (faults.length > 0) refuse(faults);
    },
  };
}

function refuse(lines: readonly string[]): never {
  throw new MeshError('ERR_TEST_INVALID', lines.join('\n'));
}

function at(object: SourceObject, path: ConfigPath): string {
  const { file, line, column } = object.origin.position(path);
  return `${file}:${line}:${column}`;
}

/** Keys of every object of the schema: what a misspelt key may have meant. */
const KEYS: readonly string[] =
  'apiVersion kind metadata name description mesh policies options now level seed leafTtl fixtures requests callers tests from to request expect skip skipReason matrix allow timeline at note apply remove ca rotation expectAll namespace method path host headers body ns sa trustDomain workload cert result status by tls reason appBytesSeen'.split(
    ' ',
  );

function faultsOf(issue: z.core.$ZodIssue, above: ConfigPath, object: SourceObject): readonly string[] {
  const path = [...above, ...issue.path.filter((step) => typeof step !== 'symbol')];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const { file, line, column } = object.origin.keyPosition([...path, key]);
      return `${file}:${line}:${column}: ${formatPath([...path, key])}: unknown field \`${key}\`${didYouMean(key, KEYS)}`;
    });
  }
  if (issue.code === 'invalid_union') {
    const meant = closestForm(issue.errors);
    if (meant !== undefined) return meant.flatMap((inner) => faultsOf(inner, path, object));
  }
  const label = formatPath(path);
  return [
    `${at(object, path)}: ${label === '' ? '' : `${label}: `}${plainMessage(issue, valueAt(object.value, path))}`,
  ];
}

/** Of the forms a field can take, the one whose own fields were looked at: not one that is another type altogether. */
function closestForm(forms: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const inside = forms.find((issues) =>
    issues.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys' || code === 'invalid_union'),
  );
  return inside ?? forms.find((issues) => issues.every(({ code, path }) => code !== 'invalid_type' || path.length > 0));
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (at, step) =>
      typeof at === 'object' && at !== null ? Object.entries(at).find(([key]) => key === String(step))?.[1] : undefined,
    value,
  );
}

function plainMessage(issue: z.core.$ZodIssue, input: unknown): string {
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const near = typeof input === 'string' ? didYouMean(input, values) : '';
    return `expected ${values.map((value) => `\`${value}\``).join(' or ')}${near}`;
  }
  if (issue.code === 'invalid_type')
    return input === undefined ? `missing; expected ${issue.expected}` : `expected ${issue.expected}`;
  if (issue.code === 'invalid_union') {
    if (Array.isArray(input) && input.length === 0) return 'expected at least one entry';
    return input === undefined ? 'missing' : 'none of the forms this field can take';
  }
  if (issue.code === 'too_small' && issue.origin === 'array') return 'expected at least one entry';
  return issue.message === 'Invalid input' ? 'not valid here' : issue.message;
}
