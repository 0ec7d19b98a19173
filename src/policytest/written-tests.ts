/**
 * Witnesses of surviving mutants as tests, added to the file they are missing from. Comments and layout stay.
 * @module
 */
import { isMap, isSeq, parseDocument } from 'yaml';
import { invariant } from '../core/index.ts';
import { parseWorkloadIdentity } from '../identity/index.ts';
import type { Caller, MeshRequest } from '../sim/index.ts';
import type { MutantResult } from './mutation-report.ts';
import type { CallerFile, TestEntry } from './test-schema.ts';

/** The test that would have noticed; nothing where no request shows the difference. */
export function testOf({ id, witness }: MutantResult): TestEntry | undefined {
  if (witness === undefined) return undefined;
  const { request, original, detail } = witness;
  const { from, to, method = 'GET', path = '/', host, headers } = request;
  const tls = detail?.startsWith('mutual_tls') === true ? ('mutual' as const) : undefined;
  return {
    name: `notices: ${id}`,
    from: callerFile(from),
    to,
    request: {
      method,
      path,
      ...(host === undefined ? {} : { host }),
      ...(headers === undefined ? {} : { headers: oneLineEach(headers) }),
    },
    expect: tls === undefined ? original : { result: original, tls },
  };
}

function callerFile(caller: Caller): CallerFile {
  if (typeof caller === 'string') return caller;
  const { certificate = 'mesh', spiffeId, workload } = caller;
  const identity = spiffeId === undefined ? undefined : parseWorkloadIdentity(spiffeId);
  if (identity !== undefined) {
    const { trustDomain, namespace: ns, serviceAccount: sa } = identity;
    return { ns, sa, trustDomain, ...(certificate === 'mesh' ? {} : { cert: certificate }) };
  }
  return { ...(workload === undefined ? {} : { workload }), cert: certificate };
}

/** The text of a policy-test file with tests added at the end of `tests`; witnesses that ask the same are one test. */
export function withTests(text: string, tests: readonly TestEntry[]): string {
  const document = parseDocument(text, { keepSourceTokens: true });
  invariant(isMap(document.contents), 'a policy-test file was read before');
  const present = document.get('tests');
  const seen = new Set<string>();
  const fresh = tests.filter((test) => {
    const key = JSON.stringify({ ...test, name: '' });
    return seen.has(key) ? false : seen.add(key);
  });
  const nodes = fresh.map((test) => document.createNode(test));
  if (isSeq(present)) for (const node of nodes) present.add(node);
  else document.set('tests', document.createNode(fresh));
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** A test file writes one line a header. */
function oneLineEach(headers: NonNullable<MeshRequest['headers']>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
  );
}
