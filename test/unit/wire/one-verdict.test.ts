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

function filesWith(pattern: RegExp): string[] {
  return sources.filter(({ code }) => pattern.test(code)).map(({ file }) => file);
}

describe('the one place of judgement', () => {
  it('reads the sources', () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  it('is the only file that switches the verdict of node:tls off', () => {
    expect(filesWith(/rejectUnauthorized/)).toEqual(['wire/mutual-tls.ts']);
    expect(filesWith(/NODE_TLS_REJECT_UNAUTHORIZED/)).toEqual([]);
  });

  it('reads the chain as sent, once, and nobody reads `authorized` or a completed chain', () => {
    expect(filesWith(/getPeerX509Certificate/)).toEqual(['wire/mutual-tls.ts']);
    expect(filesWith(/\.authorized\b|authorizationError|getPeerCertificate\b/)).toEqual([]);
  });

  it('nobody keeps or offers a session', () => {
    expect(filesWith(/getSession\(|\bsession:|ticketKeys|'session'/)).toEqual([]);
  });
});
