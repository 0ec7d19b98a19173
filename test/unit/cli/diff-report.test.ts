/** The forms of a policy diff: texts of manifests stay texts, limits of the readers are kept, a replay that disagrees is loud. */
import { describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../../src/analysis/index.ts';
import { replayFindings } from '../../../src/cli/diff-replay.ts';
import { exitCodeOf } from '../../../src/cli/diff-verdict.ts';
import { COMMENT_LENGTH_MAX, diffMarkdown } from '../../../src/cli/render/diff-markdown.ts';
import { diffText, replaySummary, type Replay, type ReportedDiff } from '../../../src/cli/render/diff-report.ts';
import { diffSarif } from '../../../src/cli/render/diff-sarif.ts';
import { parseManifests, type AuthorizationRule, type MeshConfig } from '../../../src/istio/index.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const path = (value: string): AuthorizationRule => ({ to: [{ operation: { paths: [value] } }] });
const mesh = (rules: readonly AuthorizationRule[]): MeshConfig =>
  meshWith([authorizationPolicy({ rules })], { workloads: [workload('httpbin')] });
const between = (...rules: readonly AuthorizationRule[]): ReportedDiff => diff(mesh([]), mesh(rules));

const EVIL =
  '/a`</code><img src=x onerror=alert(1)>|| ](http://evil.example) @octocat <!-- \u001b[31m\nno request is answered differently';

/** A condition with a value that no header can have, beside one that it can: both are shown. */
const evil: AuthorizationRule = { when: [{ key: 'request.headers[x]', values: ['ok', EVIL] }] };

describe('a comment', () => {
  it('shows texts of manifests and never reads them', () => {
    const comment = diffMarkdown(between(evil));
    expect(comment).not.toContain('<img');
    expect(comment).not.toContain('<!--');
    expect(comment).not.toContain('@octocat');
    expect(comment).not.toContain('](');
    expect(comment).not.toContain('http://');
    expect(comment.split('\n')).not.toContain('no request is answered differently');
    const tags = comment.match(/<[^>]*>/g) ?? [];
    expect(new Set(tags)).toEqual(new Set(['<code>', '</code>']));
    // Every row has as many cells as the heading.
    const rows = comment.split('\n').filter((line) => line.startsWith('|'));
    expect(new Set(rows.map((line) => line.match(/\|/g)?.length))).toEqual(new Set([6]));
  });

  it('keeps within the limit and says how many findings are left out', () => {
    const found = between(path('/a'));
    const [finding] = found.findings;
    const many = Array.from({ length: 900 }, (_, i) => ({
      ...(finding as DiffFinding),
      summary: `class ${i} \`${'*'.repeat(300)}\``,
    }));
    const undecided = Array.from({ length: 900 }, (_, i) => ({
      reason: `reason ${i} ${'|'.repeat(400)}`,
      targets: [],
    }));
    const comment = diffMarkdown({ ...found, findings: many, undecided });
    expect(comment.length).toBeLessThanOrEqual(COMMENT_LENGTH_MAX);
    const rows = comment.split('\n').filter((line) => line.startsWith('| <code>')).length;
    expect(rows).toBeGreaterThan(10);
    expect(comment).toContain(`**${900 - rows} more findings do not fit into a comment**`);
    expect(comment).toContain('#### Not compared (900)');
    expect(comment).toMatch(/- and \d+ more/);
  });
});

it('a terminal is sent no control characters of manifests', () => {
  const text = diffText(between(evil), undefined, true);
  expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  expect(text.split('\n')).not.toContain('no request is answered differently');
});

describe('SARIF', () => {
  const file = (text: string, origin: string): MeshConfig => parseManifests(text, { origin });
  const policy = (paths: string): string =>
    `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: foo }
spec:
  rules:
    - to: [{ operation: { paths: [${paths}] } }]
`;

  /** What code scanning documents that it needs. */
  function check(log: unknown): readonly { readonly uri: string; readonly rule: string }[] {
    const { version, $schema, runs } = log as {
      version: string;
      $schema: string;
      runs: [
        {
          tool: { driver: { name: string; rules: Record<string, unknown>[] } };
          results: Record<string, unknown>[];
        },
      ];
    };
    expect([version, $schema]).toEqual(['2.1.0', 'https://json.schemastore.org/sarif-2.1.0.json']);
    const [{ tool, results }] = runs;
    const { rules } = tool.driver;
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        id: expect.stringMatching(/^[a-z-]+$/),
        shortDescription: { text: expect.stringMatching(/^.{1,1024}$/) },
        fullDescription: { text: expect.stringMatching(/^.{1,1024}$/) },
        help: { text: expect.stringMatching(/./) },
        properties: {
          'security-severity': expect.stringMatching(/^\d+\.\d$/),
          tags: expect.arrayContaining(['security']),
        },
      });
    }
    expect(results.length).toBeLessThanOrEqual(5000);
    return results.map((result) => {
      const { ruleId, ruleIndex, locations } = result as {
        ruleId: string;
        ruleIndex: number;
        locations: [{ physicalLocation: { artifactLocation: { uri: string }; region: Record<string, number> } }];
      };
      expect(rules[ruleIndex]).toMatchObject({ id: ruleId });
      expect(result).toMatchObject({
        level: expect.stringMatching(/^(error|warning|note)$/),
        message: { text: expect.stringMatching(/./) },
        partialFingerprints: { primaryLocationLineHash: expect.stringMatching(/^[0-9a-f]+$/) },
      });
      expect(locations).toHaveLength(1);
      const { artifactLocation, region } = locations[0].physicalLocation;
      expect(artifactLocation.uri).not.toMatch(/^\/|\\|^[^/]*:|\s/);
      for (const number of Object.values(region)) expect(number).toBeGreaterThanOrEqual(1);
      return { uri: artifactLocation.uri, rule: ruleId };
    });
  }

  it('keeps to what code scanning asks for, with paths of the repository', () => {
    const found = diff(
      file(policy('/a'), 'origin/main:k8s/some policies.yaml'),
      file(policy('/b'), 'k8s/some policies.yaml'),
    );
    const open = [{ reason: 'RequestAuthentication changes', targets: [] }];
    const results = check(diffSarif({ ...found, undecided: open }, 'k8s/first.yaml'));
    expect(results).toEqual([
      { uri: 'k8s/first.yaml', rule: 'not-compared' },
      { uri: 'k8s/some%20policies.yaml', rule: 'newly-allowed' },
      { uri: 'k8s/some%20policies.yaml', rule: 'newly-denied' },
    ]);
  });

  it('has a place and a bounded message for every finding, and no more than are read', () => {
    const found = between(path(`/${'x'.repeat(9000)}`));
    const [finding] = found.findings;
    const many = Array.from({ length: 6000 }, () => finding as DiffFinding);
    expect(check(diffSarif({ ...found, findings: many }, 'a.yaml'))).toHaveLength(5000);
  });
});

describe('a replay', () => {
  it('that disagrees fails whatever --fail-on says, and says so', async () => {
    const manifest = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: foo, labels: { app: web, sidecar.istio.io/inject: "true" } }
spec: { containers: [{ name: web, image: web, ports: [{ name: http, containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: foo }
spec: { selector: { app: web }, ports: [{ name: http, port: 8080 }] }
`;
    const rule = (methods: string): MeshConfig =>
      parseManifests(`${manifest}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: foo }
spec: { rules: [{ to: [{ operation: { methods: [${methods}] } }] }] }
`);
    const [one, two] = [rule('GET'), rule('GET, POST')];
    const found = diff(one, two);
    const [finding] = found.findings;
    expect(found.findings).toHaveLength(1);
    // The same finding with the opposite of what is true after the change.
    const falsified = { ...(finding as DiffFinding), after: { decision: 'deny', reason: 'made up' } } as const;
    const [right, wrong] = await replayFindings([finding as DiffFinding, falsified], one, two);
    expect([right?.agrees, wrong?.agrees]).toEqual([true, false]);
    const reported = { ...found, findings: [{ ...falsified, replay: wrong as Replay }] };
    expect(exitCodeOf(reported, 'never')).toBe(1);
    expect(exitCodeOf({ ...found, findings: [{ ...falsified, replay: right as Replay }] }, 'never')).toBe(0);
    const text = diffText(reported, undefined, false);
    expect(text).toContain('replay  deny 403, then allow 200: NOT AS PREDICTED');
    expect(text).toContain('REPLAY DISAGREES: 1 of them');
    expect(diffMarkdown(reported)).toContain('REPLAY DISAGREES');
  });

  it('counts what was sent, and why the rest was not', () => {
    const { findings } = between(path('/a'));
    const finding = findings[0] as DiffFinding;
    const sent: Replay = { before: 'deny 403', after: 'allow 200', agrees: true };
    const not = (skipped: string): Replay => ({ before: '', after: '', skipped });
    const replays = [sent, sent, not('a raw connection'), not('it needs a token'), not('a raw connection')];
    const reported = { ...between(path('/a')), findings: replays.map((replay) => ({ ...finding, replay })) };
    expect(replaySummary(reported)).toEqual([
      'replayed 2 of 5 witnesses; 3 not sent: a raw connection (2); it needs a token',
    ]);
    expect(replaySummary({ ...reported, findings: [finding] })).toEqual([]);
  });

  it('does not send to a port where nothing listens', async () => {
    const named = mesh([{ to: [{ operation: { ports: ['5433'] } }] }]);
    const { findings } = diff(mesh([]), named);
    const replays = await replayFindings(findings, mesh([]), named);
    expect(replays.map(({ skipped }) => skipped)).toEqual(['nothing listens on the port']);
  });
});

describe('the gate', () => {
  it('stays shut over what was not compared, unless asked for nothing', () => {
    const found = diff(mesh([]), mesh([]));
    const open = { ...found, undecided: [{ reason: 'r', targets: [] }] };
    expect([exitCodeOf(found, 'any'), exitCodeOf(open, 'widened'), exitCodeOf(open, 'never')]).toEqual([0, 1, 0]);
  });
});
