/** `meshproof test`, `test init` and `merge-reports` as a user meets them. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { meshproof, REPOSITORY, run } from '../kit/command-line.ts';
import { MANIFESTS, testFile } from '../kit/policy-test-files.ts';
import { folderWith } from '../kit/temporary-folder.ts';

const TESTS = testFile(`tests:
  - { name: reads, from: shop/web, to: shop/cart, request: [GET /items/1, GET /items/2], expect: allow }
  - { name: no deletes, from: [shop/web, shop/cart], to: shop/cart, request: DELETE /items/1, expect: { result: deny, by: no-deletes } }
  - { name: wrong on purpose, from: shop/web, to: shop/cart, request: POST /items/1, expect: allow }
  - { name: later, from: shop/web, to: shop/cart, expect: allow, skipReason: "not <yet>" }
matrix:
  - { to: shop/web, requests: [GET /], allow: [shop/web, shop/cart] }
timeline:
  - { at: 25h, expectAll: allow, from: shop/web, to: shop/cart, request: GET /items/1 }
`);

/** Nobody may call `web` any more. */
const WEB_POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web-readers, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  rules: [{ from: [{ source: { namespaces: [none] } }] }]
`;
const STRICTER =
  '[{ at: 1h, apply: ./web.yaml, expectAll: deny, from: shop/cart, to: shop/web }, { at: 2h, expectAll: deny, from: shop/web, to: shop/web }]';

function project(): string {
  return folderWith({ 'mesh.yaml': MANIFESTS, 'cart.mesh-test.yaml': TESTS });
}

/** A report without the times in it. */
function steady(text: string): string {
  return text.replace(/time="[\d.]+"|"durationMs": [\d.]+|in [\d.]+ s/g, '');
}

describe('meshproof test', () => {
  it('finds the files, explains the failure and exits with 1', async () => {
    const { code, stdout, stderr } = await meshproof(['test'], { cwd: project() });
    expect(code).toBe(1);
    expect(stderr).toBe('');
    expect(stdout).toContain('FAIL cart.mesh-test.yaml:8:5 wrong on purpose');
    expect(stdout).toContain('shop/web → shop/cart POST /items/1');
    expect(stdout).toContain('expected  allow');
    expect(stdout).toContain('got       deny 403 (no ALLOW policy matched)');
    expect(stdout).toContain('rules[0].to[0].operation.methods: saw `POST`, expected `GET`, `DELETE`');
    expect(stdout).toMatch(/at mesh\.yaml:\d+:\d+/);
    expect(stdout).toContain('Tests  1 failed, 9 passed, 1 skipped of 11');
    const replay = /replay +npx meshproof (test .*)/.exec(stdout)?.[1] ?? '';
    expect(replay).toBe(
      "test cart.mesh-test.yaml --id 'cart.mesh-test.yaml#wrong on purpose[shop/web→shop/cart POST /items/1]'",
    );
  });

  it('runs what --id and --filter choose, at the level that is asked for', async () => {
    const cwd = project();
    const id = 'cart.mesh-test.yaml#reads[shop/web→shop/cart GET /items/2]';
    const one = await meshproof(['test', '--id', id, '--level', 'model', '--reporter', 'json'], { cwd });
    expect(JSON.parse(one.stdout)).toMatchObject({ results: [{ id, level: 'model', status: 'passed' }] });
    const some = await meshproof(['test', '-t', 'DELETES', '-t', '/web→/', '--reporter', 'json'], { cwd });
    expect(JSON.parse(some.stdout)).toMatchObject({ summary: { total: 1, passed: 1 } });
    expect(await meshproof(['test', '-t', 'nothing like it'], { cwd })).toMatchObject({ code: 2 });
  });

  it.each([
    [['test', 'nowhere'], 'no file or folder `nowhere`'],
    [['test', '--reporter', 'junitt'], 'did you mean `junit`?'],
    [['test', '--shard', '3/2'], '`3/2` is no shard'],
    [['test', '--level', 'real'], 'unknown level `real`'],
    [['test', '--write'], '`--write` needs `--mutate`'],
    [['test', '--coverage-threshold', '101'], 'no percentage'],
    [['test', '-t', '/(/'], 'no regular expression'],
    [['test', '--outputFile.junit=x.xml'], '`--outputFile.junit` needs `--reporter junit`'],
    [['test', '--reporter', 'junit,tap', '--outputFile', 'x'], 'needs one reporter that writes a file'],
  ])('%j is bad usage', async (args, message) => {
    const { code, stderr } = await meshproof(args, { cwd: project() });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('says how to begin where there is no test', async () => {
    const { code, stderr } = await meshproof(['test'], { cwd: folderWith({ 'a.yaml': '' }) });
    expect(stderr).toContain('meshproof test init');
    expect(code).toBe(2);
  });

  it('writes every report', async () => {
    const cwd = project();
    const names = ['tap', 'json', 'junit', 'sarif', 'github', 'markdown', 'html', 'blob', 'tree', 'minimal', 'dot'];
    const flags = names.flatMap((name) => ['--reporter', `${name}=out/${name}`]);
    expect(await meshproof(['test', '--level', 'model', ...flags], { cwd })).toMatchObject({ code: 1, stdout: '' });
    const out = Object.fromEntries(names.map((name) => [name, readFileSync(join(cwd, 'out', name), 'utf8')]));
    expect(out['tap']).toMatch(/^TAP version 14\n1\.\.11\nok 1 - cart/);
    expect(out['tap']).toContain('ok 6 - cart.mesh-test.yaml\\#later[shop/web→shop/cart GET /] # SKIP not <yet>');
    expect(out['junit']).toContain('<testsuites name="meshproof" tests="11" failures="1" errors="0" skipped="1"');
    expect(out['junit']).toContain('<skipped message="not &lt;yet&gt;"/>');
    expect(out['sarif']).toContain('"ruleId": "policy-test-failed"');
    expect(out['github']).toMatch(/^::error file=cart\.mesh-test\.yaml,line=8,col=5,title=wrong on purpose::.*%0A/);
    expect(out['markdown']).toContain('| 11 | 9 | 1 | 1 | – | – |');
    expect(out['html']).toContain('not &lt;yet&gt;');
    expect(out['html']).not.toMatch(/<script|https?:/);
    expect(out['tree']).toContain('✓ shop/web → shop/cart GET /items/1');
    expect(out['dot']).toMatch(/^\.\.\.\.x-\.{5}\n/);
  });

  it('takes files as other test runners spell them', async () => {
    const cwd = project();
    const flags = ['--reporter', 'dot,junit,json=out.json', '--outputFile.junit=junit.xml'];
    const named = await meshproof(['test', '-t', 'reads', '--level', 'model', ...flags], { cwd });
    expect(named.stdout).toMatch(/^\.\.\n/);
    expect(readFileSync(join(cwd, 'junit.xml'), 'utf8')).toContain('tests="2"');
    expect(JSON.parse(readFileSync(join(cwd, 'out.json'), 'utf8')).summary.total).toBe(2);
    const lone = ['--reporter', 'tap', '--outputFile', 'out.tap'];
    expect(await meshproof(['test', '-t', 'reads', '--level', 'model', ...lone], { cwd })).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(readFileSync(join(cwd, 'out.tap'), 'utf8')).toContain('1..2');
  });

  it('shows every difference that the lines expected and got do not show', async () => {
    const body =
      'tests:\n  - { name: t, from: shop/cart, to: shop/cart, expect: { result: deny, by: shop/cart-reader } }';
    const cwd = folderWith({ 'mesh.yaml': MANIFESTS, 'x.mesh-test.yaml': testFile(body) });
    const { stdout } = await meshproof(['test', '--level', 'model'], { cwd });
    expect(stdout).toContain(
      'expected shop/cart-reader to decide, but AuthorizationPolicy/shop/cart-readers did (there is no such policy; did you mean `shop/cart-readers`?)',
    );
  });

  it('adds annotations and the summary on GitHub', async () => {
    const cwd = project();
    const env = {
      GITHUB_ACTIONS: 'true',
      GITHUB_STEP_SUMMARY: join(cwd, 'summary.md'),
      GITHUB_WORKSPACE: dirname(realpathSync(cwd)),
    };
    const { stdout } = await meshproof(['test', '--level', 'model'], { cwd, env });
    // From the root of the repository, wherever the command runs.
    expect(stdout).toContain(`::error file=${basename(cwd)}/cart.mesh-test.yaml`);
    expect(readFileSync(env.GITHUB_STEP_SUMMARY, 'utf8')).toContain('## Policy tests: 1 failed');
  });

  it('writes lcov and annotated manifests, and fails below a threshold', async () => {
    const cwd = project();
    const { code, stderr, stdout } = await meshproof(
      ['test', '-t', 'reads', '--level', 'model', '--coverage-dir', 'cov', '--coverage-threshold', '100'],
      { cwd },
    );
    expect(stdout).toContain('never decided on: AuthorizationPolicy/shop/no-deletes');
    expect(stderr).toMatch(/coverage is \d\d\.\d %, below 100 %/);
    expect(code).toBe(1);
    const lcov = readFileSync(join(cwd, 'cov/lcov.info'), 'utf8');
    expect(lcov).toMatch(/^TN:\nSF:mesh\.yaml\n/);
    expect(lcov).toContain('BRF:8\nBRH:4\n');
    expect(readFileSync(join(cwd, 'cov/annotated/mesh.yaml'), 'utf8')).toMatch(/never\| .*\n/);
  });
});

describe('shards', () => {
  it('of several processes join into the report of one', async () => {
    const cwd = project();
    // A test that fails would leave the mutants unjudged; this file comes last by its full path and first by its name.
    writeFileSync(join(cwd, 'cart.mesh-test.yaml'), TESTS.replace(/^.*wrong on purpose.*$/m, ''));
    mkdirSync(join(cwd, 'here'));
    const flags = ['..', '--level', 'model', '--coverage', '--mutate'];
    const other = 'tests:\n  - { name: other, from: shop/web, to: shop/cart, request: GET /items/2, expect: allow }';
    writeFileSync(
      join(cwd, 'here/a.mesh-test.yaml'),
      testFile(other).replace('[./mesh.yaml]', '[../mesh.yaml]').replace('tests:', `timeline: ${STRICTER}\ntests:`),
    );
    writeFileSync(join(cwd, 'here/web.yaml'), WEB_POLICY);
    const formats = ['json', 'junit', 'html', 'sarif', 'markdown', 'tap', 'tree'];
    const reporters = (folder: string): string[] =>
      formats.flatMap((name) => ['--reporter', `${name}=${folder}/${name}`]);
    const here = { cwd: join(cwd, 'here') };
    const whole = await meshproof(['test', ...flags, ...reporters('whole')], here);
    expect(whole).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const total = 3;
    await Promise.all(
      Array.from({ length: total }, (_, index) =>
        meshproof(['test', ...flags, '--reporter', 'blob'], {
          ...here,
          // As Kubernetes sets it in an Indexed Job.
          env: { JOB_COMPLETION_INDEX: String(index), MESHPROOF_SHARD_TOTAL: String(total) },
        }),
      ),
    );
    const blobs = join(here.cwd, '.meshproof/blob');
    expect(readdirSync(blobs).sort()).toEqual([1, 2, 3].map((i) => `report-${i}-of-3.json`));
    const [merged, workers] = await Promise.all([
      meshproof(['merge-reports', ...reporters('merged')], here),
      meshproof(['test', ...flags, '--workers', '2', ...reporters('workers')], here),
    ]);
    expect([merged.code, workers.code]).toEqual([0, 0]);
    for (const name of formats) {
      const [first, ...others] = ['whole', 'merged', 'workers'].map((folder) =>
        steady(readFileSync(join(here.cwd, folder, name), 'utf8')),
      );
      for (const text of others) expect(text).toBe(first);
    }
    const json = JSON.parse(readFileSync(join(here.cwd, 'merged/json'), 'utf8'));
    expect(json.files).toEqual(['../cart.mesh-test.yaml', 'a.mesh-test.yaml']);
    expect(json.mutation.mutants.length).toBeGreaterThan(20);
    expect(json.coverage.items.map(({ key }: { key: string }) => key)).toContain(
      'AuthorizationPolicy/shop/web-readers',
    );
  });

  it('are held to thresholds when they are merged, not each by itself', async () => {
    const cwd = folderWith({
      'mesh.yaml': MANIFESTS,
      'x.mesh-test.yaml': testFile(
        'tests:\n  - { name: t, from: shop/web, to: shop/cart, request: GET /items/1, expect: allow }',
      ),
    });
    const thresholds = ['--coverage-threshold', '100', '--mutation-threshold', '100'];
    for (const index of ['0', '1']) {
      const env = { JOB_COMPLETION_INDEX: index, MESHPROOF_SHARD_TOTAL: '2' };
      const part = await meshproof(['test', '--level', 'model', ...thresholds, '--reporter', 'blob'], { cwd, env });
      expect(part.stderr).toContain(`coverage is judged when the shards are merged: this is ${Number(index) + 1}/2`);
      expect(part.code).toBe(0);
    }
    const merged = await meshproof(['merge-reports', ...thresholds], { cwd });
    expect(merged.stderr).toMatch(/coverage is \d\d\.\d %, below 100 %\n.*mutation score is \d\d\.\d %, below 100 %/);
    expect(merged.code).toBe(1);
  });

  it.each([
    [{ JOB_COMPLETION_INDEX: '3', MESHPROOF_SHARD_TOTAL: '3' }, 2, 'expected an index from 0, below the total'],
    [{ JOB_COMPLETION_INDEX: 'x', MESHPROOF_SHARD_TOTAL: '3' }, 2, 'JOB_COMPLETION_INDEX is `x`'],
    [{ JOB_COMPLETION_INDEX: '0' }, 1, 'MESHPROOF_SHARD_TOTAL is not: this Pod runs every test'],
  ])('of a Pod with %j: exit %i', async (env, code, message) => {
    const found = await meshproof(['test', '--level', 'model'], { cwd: project(), env });
    expect(found.stderr).toContain(message);
    expect(found.code).toBe(code);
  });

  it('may be more than there are tests', async () => {
    const { code, stdout } = await meshproof(['test', '--level', 'model', '--shard', '997/1000'], { cwd: project() });
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('0 passed of 0') });
  });

  it('say that wrong policies are judged by tests that pass, also from several processes', async () => {
    const cwd = project();
    const { code, stdout } = await meshproof(['test', '--level', 'model', '--mutate', '--workers', '3'], { cwd });
    expect(stdout).toContain('Mutation score  none: wrong policies are noticed by tests that pass, and one fails');
    expect(stdout).toContain('  fails: cart.mesh-test.yaml#wrong on purpose[shop/web→shop/cart POST /items/1]');
    expect(code).toBe(1);
  });

  it('that are missing, or there twice, are told', async () => {
    const cwd = project();
    await meshproof(['test', '--level', 'model', '--shard', '1/2', '--reporter', 'blob'], { cwd });
    const missing = await meshproof(['merge-reports'], { cwd });
    expect(missing).toMatchObject({
      code: 2,
      stderr: 'meshproof: no blob report of shard 2/2: its results are missing\n',
    });
    const blob = join(cwd, '.meshproof/blob');
    writeFileSync(join(blob, 'copy.json'), readFileSync(join(blob, 'report-1-of-2.json')));
    expect((await meshproof(['merge-reports'], { cwd })).stderr).toContain('two blob reports of shard 1/2');
    writeFileSync(join(blob, 'copy.json'), '{}');
    expect((await meshproof(['merge-reports'], { cwd })).stderr).toContain('is no blob report of this release');
  });
});

describe('a new user', () => {
  it('gets a first file from a folder of policies, and understands a change from the output alone', async () => {
    const cwd = folderWith({ 'k8s/mesh.yaml': MANIFESTS });
    const init = await meshproof(['test', 'init', 'k8s'], { cwd });
    expect(init).toMatchObject({ code: 0, stdout: '' });
    expect(init.stderr).toMatch(/^wrote policies\.mesh-test\.yaml with \d+ tests/);
    expect(await meshproof(['test'], { cwd })).toMatchObject({ code: 0 });
    expect(await meshproof(['test', 'init', 'k8s'], { cwd })).toMatchObject({ code: 2 });

    writeFileSync(join(cwd, 'k8s/mesh.yaml'), MANIFESTS.replace('"/items/*"', '"/item/*"'));
    const { code, stdout } = await meshproof(['test'], { cwd });
    expect(code).toBe(1);
    expect(stdout).toContain('rules[0].to[0].operation.paths: saw `/items/x`, expected `/item/*`');
    expect(stdout).toMatch(/at k8s\/mesh\.yaml:\d+:\d+ \(rules\[0\]\.to\[0\]\.operation\.paths\)/);
  });

  it('gets the missing tests written', async () => {
    const body = 'tests:\n  - { name: t, from: shop/web, to: shop/cart, request: GET /items/1, expect: allow } # kept';
    const cwd = folderWith({ 'mesh.yaml': MANIFESTS, 'x.mesh-test.yaml': testFile(body) });
    const first = await meshproof(['test', '--mutate', '--write', '--mutation-threshold', '95'], { cwd });
    expect(first.stderr).toMatch(/missing tests added to x\.mesh-test\.yaml/);
    expect(first.code).toBe(1);
    expect(readFileSync(join(cwd, 'x.mesh-test.yaml'), 'utf8')).toContain('# kept');
    const second = await meshproof(['test', '--mutate', '--mutation-threshold', '100'], { cwd });
    expect(second.stdout).toContain('Mutation score  100.0 %');
    expect(second.code).toBe(0);
  });
});

describe('--watch', () => {
  it('runs again when a manifest changes', async () => {
    const cwd = project();
    const main = join(REPOSITORY, 'src/cli/main.ts');
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), main, 'test', '--level', 'model', '--watch'],
      { cwd },
    );
    let said = '';
    const says = (text: string, times: number): Promise<void> =>
      vi.waitFor(() => expect(said.split(text)).toHaveLength(times + 1), { timeout: 30_000, interval: 50 });
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    try {
      await says('watching for changes', 1);
      expect(said).toContain('1 failed');
      writeFileSync(join(cwd, 'mesh.yaml'), MANIFESTS.replace('[GET, DELETE]', '[GET, POST, DELETE]'));
      await says('watching for changes', 2);
      expect(said).toContain('Tests  10 passed, 1 skipped of 11');
      // Further manifests that the test file comes to name are watched, too, wherever they are.
      const elsewhere = folderWith({ 'more.yaml': WEB_POLICY });
      writeFileSync(join(cwd, 'cart.mesh-test.yaml'), TESTS.replace('[./mesh.yaml]', `[./mesh.yaml, ${elsewhere}]`));
      await says('watching for changes', 3);
      expect(said.split('Tests ').at(-1)).toContain('2 failed');
      writeFileSync(join(elsewhere, 'more.yaml'), WEB_POLICY.replace('[{ source: { namespaces: [none] } }]', '[]'));
      await says('watching for changes', 4);
    } finally {
      child.kill('SIGINT');
    }
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(130);
  });
});

describe('files for CI', () => {
  interface ActionStep {
    readonly id?: string;
    readonly run?: string;
    readonly env?: Readonly<Record<string, string>>;
  }
  const ACTION: {
    readonly inputs: Readonly<Record<string, { readonly default: string }>>;
    readonly runs: { readonly steps: readonly ActionStep[] };
  } = parse(readFileSync(join(REPOSITORY, 'action.yml'), 'utf8'));
  const MESHPROOF_COMMAND = `${process.execPath} --import ${import.meta.resolve('tsx')} ${join(REPOSITORY, 'src/cli/main.ts')}`;

  /** Runs a step of the action as GitHub would: expressions of inputs filled in, everything else from `env`. */
  async function step(
    id: string,
    given: {
      readonly cwd: string;
      readonly inputs?: Readonly<Record<string, string>>;
      readonly env?: Readonly<Record<string, string>>;
    },
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
    const { cwd, inputs = {}, env = {} } = given;
    const found = ACTION.runs.steps.find((each) => each.id === id);
    const filled = Object.entries(found?.env ?? {}).flatMap(([name, text]) => {
      const input = /^\$\{\{ inputs\.([a-z-]+) \}\}$/.exec(text)?.[1];
      if (input === undefined) return [];
      expect(Object.keys(ACTION.inputs)).toContain(input);
      return [[name, inputs[input] ?? ACTION.inputs[input]?.default ?? '']];
    });
    return run('bash', ['-c', found?.run ?? 'false'], {
      cwd,
      env: { ...Object.fromEntries(filled), GITHUB_OUTPUT: join(cwd, 'output'), MESHPROOF_COMMAND, ...env },
    });
  }

  it('the action runs the tests it is told to, and says how many failed', async () => {
    const cwd = project();
    const { code, stdout } = await step('test', {
      cwd,
      inputs: {
        paths: 'cart.mesh-test.yaml\n',
        reporters: 'junit=junit.xml\ntap=out.tap',
        'coverage-threshold': '50',
        level: 'model',
      },
    });
    expect(stdout).toContain('::error file=cart.mesh-test.yaml');
    expect(code).toBe(1);
    expect(readFileSync(join(cwd, 'output'), 'utf8')).toBe('passed=9\nfailed=1\n');
    for (const file of ['junit.xml', 'out.tap', '.meshproof/report.html', '.meshproof/summary.md'])
      expect(existsSync(join(cwd, file))).toBe(true);
    const bad = await step('test', { cwd, inputs: { paths: 'nowhere' } });
    expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining('no file or folder `nowhere`') });
  });

  it('the action merges shards, and holds them to thresholds then', async () => {
    const cwd = project();
    const common = { 'coverage-threshold': '100', level: 'model' };
    for (const shard of ['1/2', '2/2']) await step('test', { cwd, inputs: { ...common, shard } });
    const { code, stdout, stderr } = await step('test', { cwd, inputs: { ...common, merge: '.meshproof/blob' } });
    expect(stdout).toContain('Tests  1 failed, 9 passed, 1 skipped of 11');
    expect(stderr).toBe('');
    expect(code).toBe(1);
  });

  it('the action keeps one comment on a pull request', async () => {
    const cwd = project();
    await step('test', { cwd, inputs: { level: 'model' } });
    mkdirSync(join(cwd, 'bin'));
    // Stands for GitHub's own client: writes down what it is told, and lists the comments that are there.
    writeFileSync(
      join(cwd, 'bin/gh'),
      `#!/bin/sh\necho "$@" >> calls\ncase "$*" in *--paginate*) printf "$KNOWN";; *) cat >> /dev/null < .meshproof/comment.json;; esac\n`,
      { mode: 0o755 },
    );
    const env = {
      PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`,
      PULL_REQUEST: '7',
      MARKER: '<!-- meshproof w/j -->',
      GITHUB_REPOSITORY: 'o/r',
    };
    expect(await step('comment', { cwd, env: { ...env, KNOWN: '' } })).toMatchObject({ code: 0 });
    expect(await step('comment', { cwd, env: { ...env, KNOWN: '11\\n12\\n' } })).toMatchObject({ code: 0 });
    const calls = readFileSync(join(cwd, 'calls'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('--method'));
    expect(calls).toEqual([
      'api --method POST repos/o/r/issues/7/comments --input .meshproof/comment.json',
      'api --method PATCH repos/o/r/issues/comments/11 --input .meshproof/comment.json',
    ]);
    const { body } = JSON.parse(readFileSync(join(cwd, '.meshproof/comment.json'), 'utf8'));
    expect(body).toMatch(/^<!-- meshproof w\/j -->\n## Policy tests: 1 failed\n/);
  });

  it('the Indexed Job tells its Pods how many they are', () => {
    const job = parse(readFileSync(join(REPOSITORY, 'deploy/indexed-job.yaml'), 'utf8'));
    const [container] = job.spec.template.spec.containers;
    expect(job.spec.completionMode).toBe('Indexed');
    expect(container.env).toContainEqual({ name: 'MESHPROOF_SHARD_TOTAL', value: String(job.spec.completions) });
    expect(container.command.slice(0, 2)).toEqual(['meshproof', 'test']);
  });

  it('the examples name verbs and reporters that exist', () => {
    for (const file of ['docs/guide/ci/gitlab-ci.yml', 'docs/guide/ci/github.yml']) {
      const text = readFileSync(join(REPOSITORY, file), 'utf8');
      expect(parse(text)).toBeTypeOf('object');
      for (const [, verb = ''] of text.matchAll(/meshproof ([a-z-]+)/g))
        expect(['test', 'merge-reports']).toContain(verb);
    }
  });
});
