/**
 * Signatures and keys: which algorithms count, and one check of one signature by `node:crypto`.
 *
 * Accepted: RSA of 2048 to 8192 bits in whole bytes (PKCS #1 v1.5 or PSS), ECDSA on P-256, P-384 and P-521 by name, each
 * with SHA-2, and Ed25519 and Ed448. Everything older is refused, whatever OpenSSL's security level would say.
 *
 * A signature does not change with time, so the outcome is remembered with the signed certificate and its issuer.
 *
 * Source: RFC 3279 §2.3, RFC 4055 §3.1, RFC 5480 §2.1, RFC 5758 §3, RFC 8410 §3.
 * @module
 */
import { constants, verify, type KeyObject } from 'node:crypto';
import { readAlgorithm, type AlgorithmIdentifier, type Certificate } from './certificate.ts';
import { CURVE, DIGEST, KEY, MGF1, SIGNATURE } from './der/oids.ts';
import { contextTag, DerReader, derWhole, encodingError, TAG } from './der/reader.ts';
import { fault, type Fault } from './verify-reasons.ts';

const RSA_BITS_MIN = 2048;
/** Verifying grows with the square of the modulus: a hostile key must not be expensive. */
const RSA_BITS_MAX = 8192;
const RSA_EXPONENT_BYTES_MAX = 5;

type KeyKind = 'rsa' | 'ec' | 'ed25519' | 'ed448';

interface Scheme {
  readonly key: KeyKind;
  /** Nothing for EdDSA, which hashes by itself. */
  readonly digest: string | null;
  readonly pssSaltBytes?: number;
}

/** What is signed, with what. */
export interface SignedBytes {
  readonly algorithm: AlgorithmIdentifier;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
}

const DER_NULL = '0500';
/** The parameters each algorithm must have: NULL for RSA, none elsewhere. */
const SCHEMES: ReadonlyMap<string, Scheme & { readonly parameters: 'null' | 'none' }> = new Map([
  [SIGNATURE.rsaSha256, { key: 'rsa', digest: 'sha256', parameters: 'null' }],
  [SIGNATURE.rsaSha384, { key: 'rsa', digest: 'sha384', parameters: 'null' }],
  [SIGNATURE.rsaSha512, { key: 'rsa', digest: 'sha512', parameters: 'null' }],
  [SIGNATURE.ecdsaSha256, { key: 'ec', digest: 'sha256', parameters: 'none' }],
  [SIGNATURE.ecdsaSha384, { key: 'ec', digest: 'sha384', parameters: 'none' }],
  [SIGNATURE.ecdsaSha512, { key: 'ec', digest: 'sha512', parameters: 'none' }],
  [SIGNATURE.ed25519, { key: 'ed25519', digest: null, parameters: 'none' }],
  [SIGNATURE.ed448, { key: 'ed448', digest: null, parameters: 'none' }],
]);
const DIGEST_NAMES: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map([
  [DIGEST.sha256, { name: 'sha256', bytes: 32 }],
  [DIGEST.sha384, { name: 'sha384', bytes: 48 }],
  [DIGEST.sha512, { name: 'sha512', bytes: 64 }],
]);
const NAMED_CURVES: ReadonlySet<string> = new Set(Object.values(CURVE));

type Verdict = { readonly fault: Fault | undefined };
const keyVerdicts = new WeakMap<Certificate, Verdict>();
const signatureVerdicts = new WeakMap<Certificate, WeakMap<Certificate, Verdict>>();

/** Why this certificate's own key cannot be used, or nothing. */
export function keyFault(certificate: Certificate): Fault | undefined {
  let verdict = keyVerdicts.get(certificate);
  if (verdict === undefined) {
    verdict = { fault: judgeKey(certificate) };
    keyVerdicts.set(certificate, verdict);
  }
  return verdict.fault;
}

/** Why `issuer` did not sign `subject`, or nothing. Only cryptography: names and rights are for the caller. */
export function certificateSignatureFault(subject: Certificate, issuer: Certificate): Fault | undefined {
  let verdicts = signatureVerdicts.get(subject);
  if (verdicts === undefined) signatureVerdicts.set(subject, (verdicts = new WeakMap<Certificate, Verdict>()));
  let verdict = verdicts.get(issuer);
  if (verdict === undefined) {
    const { tbs, signature, signatureAlgorithm: algorithm } = subject;
    verdict = { fault: signatureFault({ tbs, signature, algorithm }, issuer) };
    verdicts.set(issuer, verdict);
  }
  return verdict.fault;
}

/** Why `issuer`'s key did not make this signature, or nothing. */
export function signatureFault(signed: SignedBytes, issuer: Certificate): Fault | undefined {
  const scheme = schemeOf(signed.algorithm);
  if (scheme === undefined) {
    return fault('unsupported_signature', `signature algorithm ${signed.algorithm.oid} or its parameters`);
  }
  const weak = keyFault(issuer);
  if (weak !== undefined) return weak;
  if (keyKindOf(issuer) !== scheme.key) return fault('bad_signature', 'the issuer’s key is of another kind');
  return verifies(signed, scheme, issuer.publicKey) ? undefined : fault('bad_signature', 'it does not verify');
}

/** Whether the algorithm is one of those accepted here. */
export function schemeOf(algorithm: AlgorithmIdentifier): Scheme | undefined {
  const { oid, parameters } = algorithm;
  if (oid === SIGNATURE.rsaPss) return parameters && pssScheme(parameters);
  const scheme = SCHEMES.get(oid);
  const wanted = scheme?.parameters === 'null' ? DER_NULL : '';
  return Buffer.from(parameters ?? []).toString('hex') === wanted ? scheme : undefined;
}

function verifies({ tbs, signature }: SignedBytes, scheme: Scheme, key: KeyObject): boolean {
  const pss =
    scheme.pssSaltBytes === undefined
      ? {}
      : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.pssSaltBytes };
  try {
    return verify(scheme.digest, tbs, { key, ...pss }, signature);
  } catch {
    // OpenSSL throws on some signatures it cannot even decode.
    return false;
  }
}

/** RSA-PSS with one digest for message and mask, and a salt as long as the digest: the only sets RFC 4055 suggests. */
function pssScheme(parameters: Uint8Array): Scheme | undefined {
  try {
    const reader = derWhole(parameters, TAG.sequence, 'RSA-PSS parameters');
    const digest = readDigest(reader.into(contextTag(0, 'constructed')));
    const maskReader = reader.into(contextTag(1, 'constructed'));
    const mask = readAlgorithm(maskReader);
    maskReader.end();
    const saltReader = reader.into(contextTag(2, 'constructed'));
    const saltBytes = saltReader.smallInteger();
    saltReader.end();
    reader.end();
    if (mask.oid !== MGF1 || mask.parameters === undefined || digest === undefined) return undefined;
    const maskDigest = readDigest(new DerReader(mask.parameters, 'RSA-PSS parameters'));
    if (maskDigest?.name !== digest.name || saltBytes !== digest.bytes) return undefined;
    return { key: 'rsa', digest: digest.name, pssSaltBytes: saltBytes };
  } catch {
    return undefined;
  }
}

function readDigest(reader: DerReader): { readonly name: string; readonly bytes: number } | undefined {
  const { oid, parameters } = readAlgorithm(reader);
  reader.end();
  const absentOrNull = parameters === undefined || Buffer.from(parameters).toString('hex') === DER_NULL;
  return absentOrNull ? DIGEST_NAMES.get(oid) : undefined;
}

const KEY_KINDS: readonly KeyKind[] = ['rsa', 'ec', 'ed25519', 'ed448'];

function keyKindOf(certificate: Certificate): KeyKind | undefined {
  const type = certificate.publicKey.asymmetricKeyType;
  return KEY_KINDS.find((kind) => kind === type);
}

function judgeKey(certificate: Certificate): Fault | undefined {
  try {
    const problem = keyProblem(certificate.spki);
    if (problem !== undefined) return fault('unsupported_key', problem);
    // Decoding checks what the structure alone does not show, such as a point off its curve.
    void certificate.publicKey;
    return undefined;
  } catch {
    return fault('unsupported_key', 'the public key cannot be decoded');
  }
}

function keyProblem(spki: Uint8Array): string | undefined {
  const reader = derWhole(spki, TAG.sequence, 'public key');
  const { oid, parameters } = readAlgorithm(reader);
  const bits = reader.bitString();
  reader.end();
  if (bits.unusedBits !== 0) throw encodingError('public key: not whole bytes');
  switch (oid) {
    case KEY.rsa:
      return rsaProblem(bits.bytes);
    case KEY.ec: {
      if (parameters?.[0] !== TAG.oid) return 'an elliptic curve that is not given by name';
      const curve = new DerReader(parameters, 'public key').oid();
      return NAMED_CURVES.has(curve) ? undefined : `elliptic curve ${curve}`;
    }
    case KEY.ed25519:
    case KEY.ed448:
      return parameters === undefined ? undefined : 'an Edwards curve with parameters';
    default:
      return `key algorithm ${oid}`;
  }
}

function rsaProblem(bytes: Uint8Array): string | undefined {
  const reader = derWhole(bytes, TAG.sequence, 'RSA key');
  const modulus = unsigned(reader.integer());
  const exponent = unsigned(reader.integer());
  reader.end();
  const modulusBits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (modulusBits < RSA_BITS_MIN || modulusBits > RSA_BITS_MAX || modulusBits % 8 !== 0) {
    return `an RSA key of ${modulusBits} bits`;
  }
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1;
  const one = exponent.length === 1 && exponent[0] === 1;
  return odd && !one && exponent.length <= RSA_EXPONENT_BYTES_MAX ? undefined : 'an RSA key with a bad exponent';
}

function unsigned(integer: Uint8Array): Uint8Array {
  if ((integer[0] ?? 0) >= 0x80) throw encodingError('RSA key: negative number');
  return integer[0] === 0 ? integer.subarray(1) : integer;
}
