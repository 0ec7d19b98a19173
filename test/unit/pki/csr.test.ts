import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import 'reflect-metadata';
import * as peculiar from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { workloadSpiffeId } from '../../../src/identity/index.ts';
import {
  createCsr,
  decodePem,
  generateKeyPair,
  KEY_ALGORITHMS,
  keyPairFromPem,
  verifyCsr,
} from '../../../src/pki/index.ts';
import { HAS_OPENSSL, openssl } from '../../kit/openssl.ts';

const spiffeId = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'frontend' });
const key = generateKeyPair('ecdsa-p256');
const csr = createCsr(key, { spiffeId });

function altered(at: number, by = 1): Uint8Array {
  const copy = Uint8Array.from(csr);
  copy[at] = (copy[at] ?? 0) ^ by;
  return copy;
}

describe.each(KEY_ALGORITHMS)('a request with %s', (algorithm) => {
  const pair = generateKeyPair(algorithm);

  it('proves possession and carries the wish', () => {
    const read = verifyCsr(createCsr(pair, { spiffeId }));
    expect(read).toMatchObject({ algorithm, requestedUris: [spiffeId], commonName: undefined });
    expect(Buffer.from(read.spki)).toEqual(pair.publicKey.export({ format: 'der', type: 'spki' }));
  });

  it('is verified by @peculiar/x509', async () => {
    expect(await new peculiar.Pkcs10CertificateRequest(Buffer.from(createCsr(pair, { spiffeId }))).verify()).toBe(true);
  });

  it('is refused when signed by another key', () => {
    const other = generateKeyPair(algorithm);
    const stolen = createCsr({ ...other, spki: pair.spki }, { spiffeId });
    expect(() => verifyCsr(stolen)).toThrow('does not prove possession');
  });
});

describe('a request', () => {
  it.skipIf(!HAS_OPENSSL).each(['P-256', 'P-384', 'ed25519', 'rsa:2048'])('of openssl with %s is read', (kind) => {
    const algorithm = kind.startsWith('P-') ? ['ec', '-pkeyopt', `ec_paramgen_curve:${kind}`] : [kind];
    const { ok, output } = openssl(
      [
        'req',
        '-new',
        '-newkey',
        ...algorithm,
        '-nodes',
        '-keyout',
        '@key.pem',
        '-subj',
        '/CN=frontend',
        '-addext',
        `subjectAltName=URI:${spiffeId}`,
      ],
      {},
    );
    expect(ok).toBe(true);
    const [der] = decodePem(output, 'CERTIFICATE REQUEST');
    expect(verifyCsr(der ?? new Uint8Array())).toMatchObject({ requestedUris: [spiffeId], commonName: 'frontend' });
  });

  it.skipIf(!HAS_OPENSSL).each([
    ['a weak digest', ['rsa:2048', '-sha1']],
    ['a small key', ['rsa:1024']],
    ['another curve', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521']],
  ])('with %s is refused', (_, algorithm) => {
    const { output } = openssl(
      ['req', '-new', '-newkey', ...algorithm, '-nodes', '-keyout', '@key.pem', '-subj', '/CN=x'],
      {},
    );
    const [der] = decodePem(output, 'CERTIFICATE REQUEST');
    expect(der).toBeDefined();
    expect(() => verifyCsr(der ?? new Uint8Array())).toThrow(expect.objectContaining({ code: 'ERR_PKI_ISSUE' }));
  });

  it('is refused after a change of any octet', () => {
    expect(verifyCsr(csr).requestedUris).toEqual([spiffeId]);
    for (let at = 0; at < csr.length; at++) {
      expect(() => verifyCsr(altered(at)), `octet ${at}`).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_PKI_(ENCODING|ISSUE)$/) }),
      );
    }
  });

  it('is refused when it is cut short or goes on', () => {
    for (const wrong of [csr.subarray(0, -1), Uint8Array.of(...csr, 0), new Uint8Array()]) {
      expect(() => verifyCsr(wrong)).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
    }
  });
});

describe('a key pair', () => {
  it.each(KEY_ALGORITHMS)('of %s survives PEM', (algorithm) => {
    const pair = generateKeyPair(algorithm);
    const read = keyPairFromPem(pair.privateKeyPem());
    expect(read.algorithm).toBe(algorithm);
    expect(Buffer.from(read.spki)).toEqual(Buffer.from(pair.spki));
    expect(read.publicKey.equals(pair.publicKey)).toBe(true);
  });

  it('is refused when it is of another kind', () => {
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    });
    expect(() => keyPairFromPem(foreign.toString())).toThrow('the key is none of');
    expect(() => keyPairFromPem('nonsense')).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
  });

  it('can be made thousands of times: nothing exports a JWK from a fresh key, on which Node 20 hangs', () => {
    // In a process of its own, with a small young generation: a hang is a timeout here, not the end of the test run.
    const keys = new URL('../../../src/pki/keys.ts', import.meta.url).href;
    const script = `
      import { generateKeyPair } from '${keys}';
      for (let i = 0; i < 10_000; i++) generateKeyPair(i % 2 ? 'ecdsa-p256' : 'ed25519');
      console.log('done');`;
    const { stdout } = spawnSync(
      process.execPath,
      ['--max-semi-space-size=1', '--import', 'tsx', '--input-type=module', '--eval', script],
      { encoding: 'utf8', timeout: 30_000 },
    );
    expect(stdout).toBe('done\n');
  });
});
