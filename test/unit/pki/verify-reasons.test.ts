import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHAIN_REASONS, SVID_REASONS } from '../../../src/pki/index.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const codes = [...Object.keys(CHAIN_REASONS), ...Object.keys(SVID_REASONS)];
const meanings = [...Object.values(CHAIN_REASONS), ...Object.values(SVID_REASONS)];

describe('reasons of refusal', () => {
  it('are all documented, with their meaning, and no others are', () => {
    const rows = [
      ...readFileSync(join(ROOT, 'docs/reference/x509-reasons.md'), 'utf8').matchAll(/^\| `(\w+)` \| (.+?) \|/gm),
    ];
    expect(rows.map((row) => row[1])).toEqual(codes);
    expect(rows.map((row) => row[2]?.toLowerCase())).toEqual(meanings.map((meaning) => meaning.toLowerCase()));
  });

  it('are all expected by a test', () => {
    const folders = ['spec/rfc5280', 'spec/spiffe', 'unit/pki'].map((folder) => join(ROOT, 'test', folder));
    const tests = folders
      .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    expect(codes.filter((code) => !tests.includes(`'${code}'`))).toEqual([]);
  });
});
