/** A change of path normalisation: every known way around a policy is found, with the path a client has to send. */
import { describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../../src/analysis/index.ts';
import { replayFindings } from '../../../src/cli/diff-replay.ts';
import type { AuthorizationRule, MeshConfig, PathNormalization } from '../../../src/istio/index.ts';
import { compileAuthorization, type AuthorizationRequest } from '../../../src/policy/index.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const MODES: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
const PAIRS = MODES.flatMap((one) => MODES.filter((other) => other !== one).map((other) => [one, other] as const));

const to = (...paths: readonly string[]): readonly AuthorizationRule[] => [{ to: [{ operation: { paths } }] }];
const denyAdmin = authorizationPolicy({ action: 'DENY', rules: to('/admin/*') }, { name: 'deny' });
const allowPublic = authorizationPolicy({ rules: to('/public/*') }, { name: 'allow' });

function mesh(mode: PathNormalization, policies = [denyAdmin, allowPublic]): MeshConfig {
  const config = meshWith(policies, { workloads: [workload('httpbin')] });
  return { ...config, settings: { ...config.settings, pathNormalization: mode } };
}

function decide(config: MeshConfig, request: AuthorizationRequest): string {
  return compileAuthorization(config).authorize(request).decision;
}

const http = (findings: readonly DiffFinding[]): readonly DiffFinding[] =>
  findings.filter(({ traffic }) => traffic !== 'tcp');

describe('a change of path normalisation', () => {
  it.each(PAIRS)('from %s to %s is compared, and every witness tells the sides apart', (one, other) => {
    for (const policies of [[denyAdmin], [allowPublic], [denyAdmin, allowPublic]]) {
      const [before, after] = [mesh(one, policies), mesh(other, policies)];
      const { findings, undecided } = diff(before, after);
      expect(undecided).toEqual([]);
      expect(http(findings).length).toBeGreaterThan(0);
      for (const { witness, kind } of http(findings)) {
        const decisions = [decide(before, witness), decide(after, witness)];
        expect(decisions, JSON.stringify(witness)).toEqual(
          kind === 'newly-allowed' ? ['deny', 'allow'] : ['allow', 'deny'],
        );
      }
    }
  });

  it.each([
    ['//admin/x', 'BASE', 'MERGE_SLASHES'],
    ['/public/../admin/x', 'NONE', 'BASE'],
    ['/%61dmin/x', 'NONE', 'BASE'],
    ['/public%2F..%2Fadmin/x', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'],
    [String.raw`/public\..\admin/x`, 'NONE', 'BASE'],
  ] as const)('the way around a DENY by %s is closed by going from %s to %s', (path, one, other) => {
    const [before, after] = [mesh(one, [denyAdmin]), mesh(other, [denyAdmin])];
    const request: AuthorizationRequest = {
      destination: { namespace: 'foo', workload: 'httpbin', port: 8080 },
      source: { ip: '10.0.0.5' },
      request: { method: 'GET', host: 'httpbin', path },
    };
    expect([decide(before, request), decide(after, request)]).toEqual(['allow', 'deny']);
    expect(http(diff(before, after).findings).map(({ kind }) => kind)).toContain('newly-denied');
    expect(http(diff(after, before).findings).map(({ kind }) => kind)).toContain('newly-allowed');
  });

  it('shows the shortest path, and says how either side sees it', () => {
    const { findings } = diff(mesh('MERGE_SLASHES', [denyAdmin]), mesh('BASE', [denyAdmin]));
    const [found, ...others] = http(findings);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      kind: 'newly-allowed',
      witness: { request: { path: '//admin/' } },
      before: { reason: 'matched DENY policy' },
      after: { reason: 'no ALLOW policy applies' },
    });
    expect(found?.requests['path']).toMatch(/`\/admin\/\*` once slashes are merged/);
  });

  it('matters only to what policies ask of paths', () => {
    const open = [authorizationPolicy({ rules: to('*') })];
    const methods = [authorizationPolicy({ rules: [{ to: [{ operation: { methods: ['GET'] } }] }] })];
    for (const policies of [open, methods, []]) {
      expect(diff(mesh('BASE', policies), mesh('DECODE_AND_MERGE_SLASHES', policies)).findings).toEqual([]);
    }
  });

  it('to or from NONE is a matter of paths that cannot be normalised, whatever the policies', () => {
    const { findings } = diff(mesh('BASE', []), mesh('NONE', []));
    expect(findings).toMatchObject([
      {
        kind: 'newly-allowed',
        requests: { path: expect.stringContaining('cannot be normalized') },
        witness: { request: { path: '/%00' } },
        before: { reason: 'path_normalization_failed' },
      },
    ]);
  });

  it.each(PAIRS)('from %s to %s replays as raw paths over real mutual TLS', async (one, other) => {
    const [before, after] = [mesh(one), mesh(other)];
    const { findings } = diff(before, after);
    const replays = await replayFindings(findings, before, after);
    expect(replays.map(({ agrees }) => agrees)).toEqual(findings.map(() => true));
  });

  it.each([
    ['BASE', 'MERGE_SLASHES', 'before slashes are merged', 'once slashes are merged'],
    ['BASE', 'DECODE_AND_MERGE_SLASHES', 'before escaped slashes are decoded', 'once escaped slashes are decoded'],
    [
      'MERGE_SLASHES',
      'DECODE_AND_MERGE_SLASHES',
      'before escaped slashes are decoded',
      'once escaped slashes are decoded',
    ],
    ['NONE', 'MERGE_SLASHES', 'as sent', 'once normalized'],
  ] as const)('from %s to %s lets in what matches only now, and says so', (one, other, old, now) => {
    const { findings } = diff(mesh(one, [allowPublic]), mesh(other, [allowPublic]));
    expect(findings.find(({ kind }) => kind === 'newly-allowed')?.requests['path']).toBe(
      `\`/public/*\` ${now} except \`/public/*\` ${old}`,
    );
  });

  it('is seen by rules about the header `:path`, which see the query, too', () => {
    const when = [{ key: 'request.headers[:path]', values: ['/admin?x=//'] }];
    const policies = [authorizationPolicy({ action: 'DENY', rules: [{ when }] })];
    expect(diff(mesh('BASE', policies), mesh('MERGE_SLASHES', policies)).findings).toMatchObject([
      { kind: 'newly-denied', witness: { request: { path: '//admin?x=//' } } },
    ]);
  });

  it('is not compared where too many patterns combine, and that is said', () => {
    const many = Array.from({ length: 400 }, (_, i) => to(`/service-${i}/items/*`)).flat();
    const policies = [authorizationPolicy({ rules: many })];
    expect(diff(mesh('BASE', policies), mesh('DECODE_AND_MERGE_SLASHES', policies)).undecided).toMatchObject([
      { reason: expect.stringContaining('BASE on one side and DECODE_AND_MERGE_SLASHES on the other') },
    ]);
  }, 60_000);

  it('where a sidecar comes, lets no path in any more that cannot be normalised', () => {
    const bare = (mode: PathNormalization): MeshConfig => {
      const config = mesh(mode, []);
      return { ...config, workloads: [workload('httpbin', { injected: false })] };
    };
    const refused = (mode: PathNormalization): readonly DiffFinding[] =>
      diff(bare(mode), mesh(mode, [])).findings.filter(({ witness }) => witness.request?.path === '/%00');
    expect(refused('BASE')).toMatchObject([{ kind: 'newly-denied' }]);
    expect(refused('NONE')).toEqual([]);
  });
});
