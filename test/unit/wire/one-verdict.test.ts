/** Decision 1: Node's verdict is switched off in one file, and nowhere is it asked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../../../src');
const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({
    file: file.replaceAll('\\', '/'),
    // Without comments: they may name what code must not do.
    code: readFileSync(join(SRC, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, ''),
  }));

/** Outside the room of the attackers, who may do what nobody else may. */
function filesWith(pattern: RegExp): string[] {
  return sources.filter(({ file, code }) => !file.startsWith('attack/') && pattern.test(code)).map(({ file }) => file);
}

describe('the one place of judgement', () => {
  it('reads the sources', () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  it('is the only file that switches the verdict of node:tls off', () => {
    expect(filesWith(/rejectUnauthorized/)).toEqual(['wire/mutual-tls.ts']);
    expect(filesWith(/NODE_TLS_REJECT_UNAUTHORIZED/)).toEqual([]);
  });

  it('is not taken from those who attack, but nobody outside their room can use what they have', () => {
    const importers = sources.filter(({ code }) => /from '[^']*\battack\/(?!index)/.test(code));
    expect(importers.map(({ file }) => file)).toEqual([]);
    const surface = sources.find(({ file }) => file === 'attack/index.ts')?.code ?? '';
    expect(surface).not.toMatch(/tls-client|careless-client|impostor|plain-client/);
  });

  it('reads the chain as sent, once, and nobody reads `authorized` or a completed chain', () => {
    expect(filesWith(/getPeerX509Certificate/)).toEqual(['wire/mutual-tls.ts']);
    expect(filesWith(/\.authorized\b|authorizationError|getPeerCertificate\b/)).toEqual([]);
  });

  it('nobody keeps or offers a session', () => {
    expect(filesWith(/getSession\(|\bsession:|ticketKeys|'session'/)).toEqual([]);
  });
});
