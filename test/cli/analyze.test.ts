/** `meshproof analyze`, as a user runs it. */
import { describe, expect, it } from 'vitest';
import { meshproof } from '../kit/command-line.ts';

const NAMESPACE =
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio-injection: enabled } }\n---\n';
const POLICY = (principal: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web, namespace: shop }
spec:
  rules:
    - from: [{ source: { principals: ["${principal}"] } }]
`;

const POD =
  '---\napiVersion: v1\nkind: Pod\nmetadata: { name: p, namespace: shop, labels: { app: web } }\nspec: { containers: [{ name: p, image: p }] }\n';
const PREFIXED = NAMESPACE + POLICY('spiffe://cluster.local/ns/shop/sa/cart');

interface Message {
  readonly code: string;
  readonly level: string;
  readonly reference: string;
  readonly message: string;
}

function messages(stdout: string): readonly Message[] {
  return JSON.parse(stdout) as readonly Message[];
}

describe('analyze', () => {
  it('finds a principal with a scheme, at its line and column, and exits 1', async () => {
    const { code, stdout } = await meshproof(['analyze', '-'], { stdin: PREFIXED });
    expect(stdout).toContain('Error [MSH030] (AuthorizationPolicy shop/web <stdin>:10:39)');
    expect(code).toBe(1);
  });

  it('says the same in JSON, with the same exit code', async () => {
    const { code, stdout } = await meshproof(['analyze', '-', '-o', 'json'], { stdin: PREFIXED });
    expect(messages(stdout)).toContainEqual(
      expect.objectContaining({ code: 'MSH030', level: 'Error', reference: '<stdin>:10:39' }),
    );
    expect(code).toBe(1);
  });

  it('reports a manifest that Istio would refuse with its place and a hint, and exits 2', async () => {
    const { code, stdout } = await meshproof(['analyze', '-'], { stdin: PREFIXED.replace('principals', 'principal') });
    expect(stdout).toMatch(
      /^Error \[IST0106\] \(AuthorizationPolicy shop\/web <stdin>:10:\d+\).*unknown field `principal`; did you mean `principals`\?$/m,
    );
    expect(code).toBe(2);
  });

  it('writes SARIF that a code-scanning service can place', async () => {
    const { stdout } = await meshproof(['analyze', '-', '-o', 'sarif'], { stdin: PREFIXED });
    const log = JSON.parse(stdout) as {
      version: string;
      runs: {
        tool: { driver: { rules: { id: string }[] } };
        results: {
          ruleId: string;
          partialFingerprints: Record<string, string>;
          locations: { physicalLocation: { region: object } }[];
        }[];
      }[];
    };
    const [run] = log.runs;
    const found = run?.results.find(({ ruleId }) => ruleId === 'MSH030');
    expect(log.version).toBe('2.1.0');
    expect(found?.locations[0]?.physicalLocation.region).toEqual({ startLine: 10, startColumn: 39 });
    expect(found?.partialFingerprints['primaryLocationLineHash']).toMatch(/^[0-9a-f]{32}$/);
    const known = new Set(run?.tool.driver.rules.map(({ id }) => id));
    expect(run?.results.every(({ ruleId }) => known.has(ruleId))).toBe(true);
  });

  it('hides what is suppressed, and what lies under the threshold', async () => {
    const { code, stdout, stderr } = await meshproof(
      ['analyze', '-', '-S', 'MSH030=AuthorizationPolicy shop/*', '--output-threshold', 'Error'],
      { stdin: PREFIXED },
    );
    expect(stdout).toBe('');
    expect(stderr).toContain('No validation issues found');
    expect(code).toBe(0);
  });

  it('knows in SARIF what Istio refuses, too, and names files by URI', async () => {
    const { code, stdout } = await meshproof(['analyze', '-', '-o', 'sarif'], {
      stdin: PREFIXED.replace('principals', 'principal'),
    });
    const log = JSON.parse(stdout) as {
      runs: {
        tool: { driver: { rules: { id: string }[] } };
        results: { ruleId: string; locations: { physicalLocation: { artifactLocation: object } }[] }[];
      }[];
    };
    const [run] = log.runs;
    expect(run?.results[0]?.ruleId).toBe('IST0106');
    expect(run?.tool.driver.rules.map(({ id }) => id)).toContain('IST0106');
    expect(run?.results[0]?.locations[0]?.physicalLocation.artifactLocation).toEqual({ uri: '%3Cstdin%3E' });
    expect(code).toBe(2);
  });

  it('takes a path behind a suppressed code', async () => {
    const { code } = await meshproof(['analyze', '-S', 'MSH030', '-'], { stdin: PREFIXED });
    expect(code).toBe(0);
  });

  it('fails on warnings where it is asked to', async () => {
    const input =
      NAMESPACE +
      POLICY('cluster.local/ns/shop/sa/cart').replace('spec:', 'spec:\n  selector: { matchLabels: { app: gone } }') +
      POD;
    expect((await meshproof(['analyze', '-'], { stdin: input })).code).toBe(0);
    expect((await meshproof(['analyze', '-', '--failure-threshold', 'Warning'], { stdin: input })).code).toBe(1);
  });

  it.each([
    [['analyze'], 'name the manifests'],
    [['analyze', 'no/such/folder'], 'no/such/folder'],
    [['analyze', '-', '-o', 'xml'], 'unknown output format `xml`'],
    [['analyze', '-', '-S', 'MSH03'], 'unknown code `MSH03` in --suppress; did you mean `MSH0'],
    [['analyze', '-', '--failure-threshold', 'Bad'], 'unknown level `Bad`'],
  ])('%j is one clear line and exit 2', async (args, text) => {
    const { code, stderr } = await meshproof(args, { stdin: PREFIXED });
    expect(stderr).toContain(text);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
  });
});
