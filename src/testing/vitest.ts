/**
 * vitest: matchers that explain, and a fixture that starts and closes a mesh. Importing the module adds the matchers.
 *
 * `toAllow`, `toDeny`, `toBeDeniedBy` and `toUseMutualTls` ask the model and need no `await`; `toReject` and the
 * matchers on an `Outcome` (what `mesh.request` gives) hold for the wire.
 * @module
 */
import { expect, test, type TestAPI } from 'vitest';
import { Mesh, type MeshOptions } from '../mesh/index.ts';
import type { PolicyRef } from '../core/index.ts';
import { explain } from '../policy/index.ts';
import { describeOutcome, isNamed, Judge } from '../policytest/index.ts';
import type { MeshRequest, Outcome } from '../sim/index.ts';
import { requestText } from './world.ts';

/** What every matcher gives back: also of use in `node:test`, with `assert.ok(x.pass, x.message())`. */
export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

/** A mesh that is asked, or an outcome that is there already. */
type Subject = Mesh | Outcome;

interface Asked {
  readonly outcome: Outcome;
  /** What was asked, and why the answer was what it was. */
  readonly context: readonly string[];
}

function ask(subject: Subject, request: MeshRequest | undefined): Asked {
  if (!(subject instanceof Mesh)) {
    const { decision, reason } = outcomeOf(subject);
    return { outcome: subject, context: decision === undefined ? [reason] : explain(decision).split('\n') };
  }
  if (request === undefined) throw new TypeError('a mesh is asked about a request: expect(mesh).toAllow({ from, to })');
  const outcome = subject.predict(request);
  const context = [`  ${requestText(request)}`, ...new Judge(subject.compiled).explain(request, outcome)];
  return { outcome, context };
}

/** @throws TypeError where somebody passed something else, a promise above all */
function outcomeOf(subject: unknown): Outcome {
  if (typeof subject === 'object' && subject !== null && 'connection' in subject && 'decidedBy' in subject)
    return subject as Outcome;
  throw new TypeError(
    subject instanceof Promise
      ? 'expected a mesh or an outcome, got a promise: expect(await mesh.request(…))'
      : 'expected a mesh, or the outcome that mesh.request gives',
  );
}

function result(pass: boolean, claim: string, { outcome, context }: Asked): MatcherResult {
  return {
    pass,
    message: () =>
      [`expected the mesh ${pass ? 'not ' : ''}to ${claim}`, ...context, `got: ${describeOutcome(outcome)}`].join('\n'),
  };
}

/** The request reaches the application. */
export function toAllow(subject: Subject, request?: MeshRequest): MatcherResult {
  const asked = ask(subject, request);
  return result(asked.outcome.result === 'allow', 'allow the request', asked);
}

/** The server's policies refuse the request; a handshake that fails is no denial, see `toReject`. */
export function toDeny(subject: Subject, request?: MeshRequest): MatcherResult {
  const asked = ask(subject, request);
  return result(asked.outcome.result === 'deny', 'deny the request', asked);
}

/** The handshake fails: no byte of the request is read. With `reason`, for that reason. */
export function toReject(subject: Subject, request?: MeshRequest, reason?: string): MatcherResult {
  const asked = ask(subject, request);
  const { refusal } = asked.outcome;
  const refused = asked.outcome.result === 'handshake-failure' && (reason === undefined || refusal?.reason === reason);
  return result(refused, `refuse the handshake${reason === undefined ? '' : ` for ${reason}`}`, asked);
}

/** Denied, and by this policy: `Kind/namespace/name`, `namespace/name` or `name`, with `[rule]` behind it if one is meant. */
export function toBeDeniedBy(subject: Subject, request: MeshRequest | string, policy?: string): MatcherResult {
  const named = typeof request === 'string' ? request : (policy ?? '');
  const asked = ask(subject, typeof request === 'string' ? undefined : request);
  const { outcome } = asked;
  const deciders =
    subject instanceof Mesh && typeof request !== 'string'
      ? new Judge(subject.compiled).deciders(request, outcome)
      : decidersOf(outcome);
  const by = deciders.some((ref) => isNamed(ref, named));
  return result(outcome.result === 'deny' && by, `deny the request by ${named}`, asked);
}

/** An outcome alone knows the policy that matched, or else the ALLOW policies that came near. */
function decidersOf({ decidedBy, decision }: Outcome): readonly PolicyRef[] {
  if (decidedBy.length > 0 || decision === undefined) return decidedBy;
  return decision.trace.nearMisses.map(({ policy }) => policy);
}

/** The request travels over mutual TLS, both sides known by their certificates. */
export function toUseMutualTls(subject: Subject, request?: MeshRequest): MatcherResult {
  const asked = ask(subject, request);
  return result(asked.outcome.connection.security === 'mutual_tls', 'use mutual TLS', asked);
}

expect.extend({ toAllow, toDeny, toReject, toBeDeniedBy, toUseMutualTls });

interface MeshMatchers<R> {
  toAllow(request?: MeshRequest): R;
  toDeny(request?: MeshRequest): R;
  toReject(request?: MeshRequest, reason?: string): R;
  toBeDeniedBy(request: MeshRequest | string, policy?: string): R;
  toUseMutualTls(request?: MeshRequest): R;
}

declare module 'vitest' {
  interface Matchers<T> extends MeshMatchers<T> {}
}

/** `test` with a `mesh` that is started for each test and closed after it. */
export function meshTest(options: MeshOptions): TestAPI<{ mesh: Mesh }> {
  return test.extend<{ mesh: Mesh }>({
    // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of fixtures from this pattern
    mesh: async ({}, use) => {
      await using mesh = await Mesh.start(options);
      await use(mesh);
    },
  });
}
