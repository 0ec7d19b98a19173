/** The pure entries can be imported where there is no network: neither TLS nor sockets are loaded with them. */
import { describe, expect, it } from 'vitest';
import { run } from '../kit/command-line.ts';

const PROGRAM = `
import module from 'node:module';
const loaded = new Set();
// Every built-in that anything imports or requires on the way.
const load = module._load;
module._load = function (request, ...rest) { loaded.add(request.replace(/^node:/, '')); return load.call(this, request, ...rest); };
const before = new Set(process.moduleLoadList);
await import(process.argv[1]);
for (const entry of process.moduleLoadList) if (!before.has(entry)) loaded.add(entry.replace(/^NativeModule /, ''));
console.log(JSON.stringify([...loaded]));
`;

async function loadedBy(entry: string): Promise<readonly string[]> {
  const url = new URL(`../../src/${entry}/index.ts`, import.meta.url).href;
  const tsx = import.meta.resolve('tsx/esm');
  const { code, stdout, stderr } = await run(process.execPath, [
    '--import',
    tsx,
    '--input-type=module',
    '-e',
    PROGRAM,
    url,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const loaded: unknown = JSON.parse(stdout);
  return Array.isArray(loaded) ? loaded.map(String) : [];
}

describe('entries', () => {
  it.each(['istio', 'policy', 'analysis'])('%s loads neither tls nor net', async (entry) => {
    const loaded = await loadedBy(entry);
    expect(loaded.filter((name) => /^(node:)?(tls|net|_tls_wrap|http|https|http2|dgram)$/.test(name))).toEqual([]);
  });

  it('the method sees what wire loads', async () => {
    expect(await loadedBy('wire')).toEqual(expect.arrayContaining(['tls', 'net']));
  });
});
