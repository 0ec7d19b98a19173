import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { formatInstant } from '../../../src/core/index.ts';
import { verifyLines } from '../../../src/cli/verbs/x509.ts';
import { encodePem } from '../../../src/pki/index.ts';
import { makeAuthority, makeLeaf, makeList, NOON } from '../../kit/x509-maker.ts';

const root = makeAuthority('root');
const leaf = makeLeaf(root);
const request = {
  id: 'c1',
  leaf: leaf.toPem(),
  intermediates: [],
  roots: [root.certificate.toPem()],
  at: formatInstant(NOON),
  purpose: 'server',
  profile: 'rfc5280',
};

async function run(...lines: readonly unknown[]): Promise<{ readonly answers: unknown[]; readonly exitCode: number }> {
  const output = new PassThrough();
  const collected = text(output);
  const input = Readable.from(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`));
  const exitCode = await verifyLines({ input, output });
  output.end();
  const answers = (await collected)
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
  return { answers, exitCode };
}

describe('x509 verify --jsonl', () => {
  it('answers in order, with exit code 0 whatever the verdicts', async () => {
    const { roots: _, ...rest } = request;
    const { answers, exitCode } = await run(
      request,
      { ...request, id: 2, at: '2027-01-01T00:00:00Z' },
      { ...rest, id: 'svid', profile: 'svid', bundles: { 'mesh.test': request.roots } },
      { ...request, id: 'svid-roots', profile: 'svid' },
      { ...request, id: 'revoked', crls: [encodePem(makeList(root, { revoked: [leaf.serial] }), 'X509 CRL')] },
      { ...request, id: 'malformed', leaf: encodePem(leaf.der.subarray(0, -1), 'CERTIFICATE') },
      { ...request, id: 'odd-root', roots: [encodePem(Buffer.from('x'), 'CERTIFICATE'), ...request.roots] },
    );
    expect(answers).toMatchObject([
      { id: 'c1', ok: true, validUntil: '2026-01-02T00:00:00Z' },
      { id: 2, ok: false, reason: 'expired' },
      { id: 'svid', ok: true, spiffeId: 'spiffe://mesh.test/ns/shop/sa/cart' },
      { id: 'svid-roots', ok: true },
      { id: 'revoked', ok: false, reason: 'revoked' },
      { id: 'malformed', ok: false, reason: 'malformed' },
      { id: 'odd-root', ok: true },
    ]);
    expect(exitCode).toBe(0);
  });

  it.each([
    ['no JSON', '{"id":', null],
    ['no object', '[]', null],
    ['an unknown field', { ...request, root: [] }, 'c1'],
    ['no time', { ...request, at: 'noon' }, 'c1'],
    ['no purpose', { ...request, purpose: 'any' }, 'c1'],
    ['no PEM', { ...request, leaf: 'x' }, 'c1'],
    ['two leaves', { ...request, leaf: request.leaf.repeat(2) }, 'c1'],
    ['neither roots nor bundles', { ...request, roots: undefined }, 'c1'],
    ['bundles without profile svid', { ...request, roots: undefined, bundles: {} }, 'c1'],
  ])('answers %s with an error, goes on, and ends with 2', async (_, line, id) => {
    const { answers, exitCode } = await run(line, request);
    expect(answers).toMatchObject([
      { id, error: expect.any(String) },
      { id: 'c1', ok: true },
    ]);
    expect(exitCode).toBe(2);
  });
});
