/**
 * The X.509-SVID verdict against Node's own TLS under `faketime`, which moves the clock OpenSSL judges by: one process
 * per instant completes real handshakes with every chain and says which clients the server authorized.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { addMs, type Instant } from '../../src/core/index.ts';
import { type Certificate, verifyChain } from '../../src/pki/index.ts';
import { hasTool } from '../kit/external-tools.ts';
import {
  type Change,
  ecKey,
  ext,
  makeAuthority,
  makeLeaf,
  NOON,
  NOT_AFTER,
  NOT_BEFORE,
  SERVER_AUTH,
} from '../kit/x509-maker.ts';

const faketime = hasTool('faketime', '-f', '+0', 'true');
const folder = mkdtempSync(join(tmpdir(), 'meshproof-faketime-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Connects to itself once with every client chain; prints which were authorized. */
const PROGRAM = `
const tls = require('node:tls');
const { cases, server, ca } = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'));
(async () => {
  const verdicts = [];
  for (const { cert, key } of cases) {
    verdicts.push(await new Promise((resolve, reject) => {
      const listener = tls.createServer({ ...server, ca, requestCert: true, rejectUnauthorized: false }, (socket) => {
        resolve(socket.authorized);
        socket.destroy();
        listener.close();
      });
      listener.on('tlsClientError', reject);
      listener.listen(0, '127.0.0.1', () => {
        const { port } = listener.address();
        tls.connect({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false }).on('error', () => {});
      });
    }));
  }
  console.log(JSON.stringify(verdicts));
})();
`;

const long: Change = { notBefore: addMs(NOT_BEFORE, -1e10), notAfter: addMs(NOT_AFTER, 1e10) };
const root = makeAuthority('root', undefined, long);
const short = makeAuthority('short', root);
const ca = makeAuthority('ca', root, long);
const rogue = makeAuthority('rogue', undefined, long);
const key = ecKey();

const CHAINS: readonly (readonly Certificate[])[] = [
  [makeLeaf(ca, { key }), ca.certificate],
  [makeLeaf(short, { ...long, key }), short.certificate],
  [makeLeaf(ca, { ...long, key }), ca.certificate],
  [makeLeaf(ca, { ...long, key })],
  [makeLeaf(rogue, { ...long, key }), rogue.certificate],
  [makeLeaf(ca, { ...long, key, with: [ext.purposes(SERVER_AUTH)] }), ca.certificate],
  [makeLeaf(ca, { ...long, key, issuerKey: rogue.key }), ca.certificate],
];

function askNode(at: Instant): readonly boolean[] {
  const pem = key.privateKey.export({ format: 'pem', type: 'pkcs8' });
  const cases = CHAINS.map((chain) => ({ cert: chain.map((one) => one.toPem()).join(''), key: pem }));
  const input = join(folder, 'input.json');
  const program = join(folder, 'program.cjs');
  const server = { cert: makeLeaf(ca, { ...long, key }).toPem(), key: pem };
  writeFileSync(input, JSON.stringify({ cases, server, ca: root.certificate.toPem() }));
  writeFileSync(program, PROGRAM);
  const when = new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  const run = spawnSync('faketime', ['-f', `@${when}`, process.execPath, program, input], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC', NODE_OPTIONS: '' },
    timeout: 30_000,
  });
  const verdicts: unknown = JSON.parse(run.stdout);
  expect(verdicts).toHaveLength(CHAINS.length);
  return Array.isArray(verdicts) ? verdicts.map((verdict) => verdict === true) : [];
}

describe.skipIf(!faketime)('node:tls under faketime', () => {
  // The faked clock goes on from the given second, so none of these lies just before an edge.
  it.each([
    ['before', addMs(NOT_BEFORE, -60_000), 1],
    ['within', NOON, 3],
    ['after', addMs(NOT_AFTER, 60_000), 1],
  ])('authorizes the same clients %s the short validity', (_, at, accepted) => {
    const ours = CHAINS.map((chain) => verifyChain(chain, { roots: [root.certificate], at, purpose: 'client' }).ok);
    expect(ours.filter(Boolean)).toHaveLength(accepted);
    expect(askNode(at)).toEqual(ours);
  });
});
