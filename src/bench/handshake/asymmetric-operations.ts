/**
 * The floor of a mutual handshake: the asymmetric operations it cannot do without, and nothing else.
 *
 * A full mutual handshake over one-certificate chains: two ephemeral keys, two agreements, two signatures, two checks of
 * them, and two checks of a certificate's signature.
 * @module
 */
import { spawn } from 'node:child_process';
import { diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto';
import { generateKeyPair, type KeyAlgorithm } from '../../pki/index.ts';

/** Of a certificate's size. */
const BODY = Buffer.alloc(400, 7);

/** The operations by node:crypto, once through. */
export function bareOperations(key: KeyAlgorithm): () => void {
  const { privateKey, publicKey } = generateKeyPair(key);
  const digest = key === 'ed25519' ? null : key === 'ecdsa-p384' ? 'sha384' : 'sha256';
  return () => {
    const [one, other] = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')];
    diffieHellman({ privateKey: one.privateKey, publicKey: other.publicKey });
    diffieHellman({ privateKey: other.privateKey, publicKey: one.publicKey });
    for (let side = 0; side < 2; side++) {
      const signature = sign(digest, BODY, privateKey);
      for (let check = 0; check < 2; check++) {
        if (!verify(digest, BODY, publicKey, signature)) throw new Error('a signature does not verify');
      }
    }
  };
}

const SPEED_NAMES: Readonly<Record<KeyAlgorithm, string>> = {
  'ecdsa-p256': 'ecdsap256',
  'ecdsa-p384': 'ecdsap384',
  ed25519: 'ed25519',
  'rsa-2048': 'rsa2048',
  'rsa-3072': 'rsa3072',
};

/**
 * The same sum from `openssl speed`, in milliseconds; `undefined` where it is not installed. An ephemeral key is counted
 * as one agreement, which it nearly is.
 */
export async function opensslSpeedMs(key: KeyAlgorithm, seconds: number): Promise<number | undefined> {
  const text = await outputOf('openssl', ['speed', '-seconds', String(seconds), '-mr', SPEED_NAMES[key], 'ecdhx25519']);
  if (text === undefined) return undefined;
  // +F2 rsa, +F4 ecdsa, +F6 eddsa: …:signatures:verifications; +F5 ecdh: …:agreements. Some versions print how many a
  // second, some how many seconds each: an operation that takes longer than a second there is none.
  const numbers = (tag: string): number[] =>
    (new RegExp(`^\\+${tag}:(.*)$`, 'm').exec(text)?.[1] ?? '')
      .split(':')
      .map(Number)
      .map((figure) => (figure > 1 ? 1 / figure : figure));
  const [signS, verifyS] = numbers(key.startsWith('rsa') ? 'F2' : key === 'ed25519' ? 'F6' : 'F4').slice(-2);
  const agreeS = numbers('F5').at(-1);
  if (signS === undefined || verifyS === undefined || agreeS === undefined) return undefined;
  return 1_000 * (4 * agreeS + 2 * signS + 4 * verifyS);
}

function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', () => resolve(undefined));
    child.on('close', () => resolve(text));
  });
}
