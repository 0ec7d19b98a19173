/**
 * Random certificate hierarchies, each wrong in a few random respects or in none: keys, dates, serial numbers,
 * extensions, names and their constraints, signatures, cross-signed and repeated authorities, and DER that is not DER.
 */
import { addMs, type Instant, MeshError, type Rng } from '../../src/core/index.ts';
import type { Certificate, PeerPurpose } from '../../src/pki/index.ts';
import { mutateDer } from './der-mutations.ts';
import {
  type Authority,
  type Bytes,
  bool,
  type Change,
  CLIENT_AUTH,
  ecKey,
  ed448Key,
  edKey,
  ext,
  gn,
  int,
  leafSpec,
  makeAuthority,
  makeDer,
  name,
  NOON,
  NOT_AFTER,
  NOT_BEFORE,
  octets,
  oid,
  rsaKey,
  seq,
  SERVER_AUTH,
  type TestExtension,
  type TestKey,
} from './x509-maker.ts';

export interface ChainWorld {
  readonly roots: readonly Certificate[];
  readonly untrusted: readonly Certificate[];
  readonly leaves: readonly RandomLeaf[];
  readonly at: Instant;
  readonly purpose: PeerPurpose;
}

export interface RandomLeaf {
  readonly der: Bytes;
  /** What was done to it, for tallies. */
  readonly change: string;
}

const KEYS: readonly TestKey[] = [ecKey(), ecKey('P-384'), ecKey('P-521'), edKey(), ed448Key(), rsaKey(2048)];
const WEAK_KEYS: readonly TestKey[] = [rsaKey(1024), ecKey('prime192v1'), ecKey('secp256k1')];

const USAGES = ['digitalSignature', 'nonRepudiation', 'keyEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign'];
const PURPOSES = [SERVER_AUTH, CLIENT_AUTH, '2.5.29.37.0', '1.2.3'];
const NAMES: readonly Bytes[] = [
  gn.dns('a.test'),
  gn.dns('b.a.test'),
  gn.dns('*.a.test'),
  gn.dns('other'),
  gn.dns(''),
  gn.uri('spiffe://mesh.test/a'),
  gn.uri('spiffe://x.mesh.test/a'),
  gn.uri('urn:a'),
  gn.uri('https://mesh.test:8443/a'),
  gn.email('a@mesh.test'),
  gn.email('"a b"@mesh.test'),
  gn.ip(10, 0, 0, 1),
  gn.ip(...Array.from({ length: 16 }, () => 1)),
  gn.directory(name({ O: 'mesh' })),
  gn.directory(name({ O: ' MESH ', CN: 'x' })),
  gn.other(),
];
const BASES: readonly Bytes[] = [
  gn.dns('a.test'),
  gn.dns('test'),
  gn.dns('.a.test'),
  gn.dns(''),
  gn.uri('mesh.test'),
  gn.uri('.mesh.test'),
  gn.uri(''),
  gn.email('mesh.test'),
  gn.email('.test'),
  gn.email('a@mesh.test'),
  gn.ip(10, 0, 0, 0, 255, 0, 0, 0),
  gn.ip(10, 0, 0, 0, 255, 0, 255, 0),
  gn.directory(name({ O: 'mesh' })),
  gn.directory(name({})),
  gn.other(),
];
const OTHER_EXTENSIONS = [
  '1.2.3.4',
  '2.5.29.18',
  '2.5.29.31',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.36',
  '2.5.29.46',
  '2.5.29.54',
  '1.3.6.1.5.5.7.1.1',
  '1.3.6.1.5.5.7.1.7',
  '1.3.6.1.5.5.7.1.14',
  '1.3.6.1.5.5.7.1.24',
];
const SUBJECTS: readonly Bytes[] = [
  name({}),
  name({ CN: 'a.test' }),
  name({ CN: 'b.other' }),
  name({ O: 'mesh', email: 'a@mesh.test' }),
  name({ O: ' MESH ' }, 0x13),
  name({ O: 'mesh', CN: '10.0.0.1' }),
];
const ESSENTIAL = ['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'];

function some<T>(rng: Rng, items: readonly T[], probability: number): T[] {
  return items.filter(() => rng.chance(probability));
}

const EXTENSIONS: Readonly<Record<string, (rng: Rng) => TestExtension>> = {
  'basic constraints': (rng) => ext.basicConstraints(rng.chance(0.5)),
  'path length': (rng) => ext.basicConstraints(true, rng.integer(0, 2)),
  'key usage': (rng) => ext.keyUsage(...some(rng, USAGES, 0.5)),
  purposes: (rng) => ({ ...ext.purposes(...some(rng, PURPOSES, 0.5)), critical: rng.chance(0.3) }),
  names: (rng) => ({ ...ext.names(...some(rng, NAMES, 0.2)), critical: rng.chance(0.3) }),
  'name constraints': (rng) => ({
    ...ext.nameConstraints(some(rng, BASES, 0.2), some(rng, BASES, 0.1)),
    critical: rng.chance(0.7),
  }),
  'another extension': (rng) => ({
    oid: rng.pick(OTHER_EXTENSIONS),
    critical: rng.chance(0.5),
    value: rng.pick([octets(rng.bytes(3)), seq(), seq(seq(oid('2.5.29.32.0'))), int(0), seq(bool(false))]),
  }),
  'authority key identifier': (rng) => ext.authorityKeyId(rng.bytes(2)),
  'subject key identifier': (rng) => ({ ...ext.subjectKeyId(rng.bytes(2)), critical: rng.chance(0.2) }),
  'netscape type': (rng) => ({
    oid: '2.16.840.1.113730.1.1',
    value: Buffer.from([0x03, 0x02, rng.integer(0, 7), rng.integer(0, 255) & 0x80]),
  }),
};

interface NamedChange {
  readonly what: string;
  readonly change: Change;
}

const CHANGES: Readonly<Record<string, (rng: Rng) => Change>> = {
  expired: (rng) => ({ notAfter: addMs(NOON, -1_000 * rng.integer(1, 100)) }),
  'not yet valid': (rng) => ({ notBefore: addMs(NOON, 1_000 * rng.integer(0, 100)) }),
  'serial number': (rng) => ({ serial: int(rng.pick([0n, 1n, 2n ** 159n - 1n, 2n ** 160n])) }),
  'without an extension': (rng) => ({ without: some(rng, ESSENTIAL, 0.4) }),
  'no extension at all': () => ({ extensions: [] }),
  'version 1': () => ({ version: 1, extensions: [] }),
  signature: (rng) => ({ tamper: (signature) => flipped(rng, signature) }),
  digest: (rng) => ({ digest: rng.pick(['sha1', 'sha384', 'pss']) }),
  subject: (rng) => ({ subject: rng.pick(SUBJECTS) }),
  'weak key': (rng) => ({ key: rng.pick(WEAK_KEYS) }),
  'key of another': (rng) => ({ spki: rng.pick(KEYS).spki }),
  bit: (rng) => ({ mangle: (tbs) => flipped(rng, tbs) }),
  'another extension': (rng) => ({ with: [rng.pick(Object.values(EXTENSIONS))(rng)] }),
};

function randomChange(rng: Rng): NamedChange {
  if (rng.chance(0.5)) {
    const [what, make] = rng.pick(Object.entries(EXTENSIONS));
    return { what, change: { with: [make(rng)] } };
  }
  const [what, make] = rng.pick(Object.entries(CHANGES));
  return { what, change: make(rng) };
}

/** One bit is another one; under a signature that holds, if it is done before signing. */
function flipped(rng: Rng, bytes: Bytes): Bytes {
  const copy = Uint8Array.from(bytes);
  const at = rng.integer(0, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ (1 << rng.integer(0, 7));
  return copy;
}

/** An authority, or nothing where it came out so that our own reader refuses it: then there is nothing to compare. */
function authority(rng: Rng, commonName: string, parent?: Authority, base: Change = {}): Authority | undefined {
  // Mostly a key of its own: a name and key that come again make a path we do not follow, and OpenSSL does.
  const key = base.key ?? (rng.chance(0.7) ? ecKey() : rng.pick(rng.chance(0.05) ? WEAK_KEYS : KEYS));
  const change: Change = rng.chance(0.2) ? randomChange(rng).change : {};
  const mangle = rng.chance(0.05) ? { mangle: (tbs: Bytes) => mutateDer(rng, tbs).der } : {};
  const extensions = [...(base.with ?? []), ...(change.with ?? [])];
  try {
    return makeAuthority(commonName, parent, { key, ...base, ...change, ...mangle, with: extensions });
  } catch (error) {
    if (error instanceof MeshError) return undefined;
    throw error;
  }
}

/** The same name and key under another parent, with other faults or none. */
function crossSigned(rng: Rng, { key, subject, keyId }: Authority, parent: Authority): Certificate | undefined {
  return authority(rng, 'cross', parent, { key, subject, with: [ext.subjectKeyId(keyId)] })?.certificate;
}

function randomLeaf(rng: Rng, parent: Authority): RandomLeaf {
  const { what, change } = rng.chance(0.7) ? randomChange(rng) : { what: 'none', change: {} };
  const spec = leafSpec(parent, { key: rng.pick(KEYS), ...change });
  if (rng.chance(0.6)) return { der: makeDer(spec), change: what };
  if (rng.chance(0.2)) {
    const { der, mutation } = mutateDer(rng, makeDer(spec));
    return { der, change: `DER ${mutation}, unsigned` };
  }
  let mutated = 'none';
  const mangle = (tbs: Bytes): Bytes => {
    const { der, mutation } = mutateDer(rng, tbs);
    mutated = mutation;
    return der;
  };
  const der = makeDer({ ...spec, mangle });
  return { der, change: `DER ${mutated}` };
}

/** A hierarchy with `leaves` leaves of one authority. */
export function randomChains(rng: Rng, leaves: number): ChainWorld {
  const root = authority(rng, 'root') ?? makeAuthority('root');
  const other = makeAuthority(rng.pick(['root', 'other root']));
  const untrusted: Certificate[] = [];
  let top = root;
  for (let i = rng.pick([0, 0, 1, 1, 1, 2, 3]); i > 0; i--) {
    const next = authority(rng, rng.pick(['ca', 'ca2', 'ca3', 'root']), top);
    if (next === undefined) continue;
    untrusted.push(next.certificate);
    const cross = rng.chance(0.2) ? crossSigned(rng, next, rng.pick([root, other])) : undefined;
    if (cross) untrusted.splice(rng.integer(0, untrusted.length), 0, cross);
    top = next;
  }
  const roots = [rng.chance(0.1) ? top.certificate : root.certificate];
  if (rng.chance(0.2)) roots.push(other.certificate);
  return {
    roots,
    untrusted: rng.chance(0.95) ? untrusted : untrusted.slice(1),
    leaves: Array.from({ length: leaves }, () => randomLeaf(rng, top)),
    // Never the second of a notAfter: see the test of its own.
    at: rng.chance(0.9) ? NOON : addMs(rng.pick([NOT_BEFORE, NOT_AFTER]), 1_000 * rng.pick([-2, 2])),
    purpose: rng.pick(['server', 'client']),
  };
}
