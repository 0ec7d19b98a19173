/**
 * Laws of issuing: an SVID verifies within its window and nowhere else; lives are clamped; what the DER writer writes
 * the reader reads back.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH, instantOf, MINUTE_MS, Rng, SECOND_MS } from '../../src/core/index.ts';
import { workloadSpiffeId } from '../../src/identity/index.ts';
import { DerReader } from '../../src/pki/der/reader.ts';
import * as writer from '../../src/pki/der/writer.ts';
import {
  Certificate,
  CertificateAuthority,
  generateKeyPair,
  issueSvid,
  MAX_LEAF_TTL_MS,
  stepRotation,
  ROTATION_IDLE,
  rotationPolicy,
  TrustBundleSet,
  verifySvid,
  type RotationEvent,
  type RotationState,
} from '../../src/pki/index.ts';

const seed = Number(process.env['FC_SEED'] ?? 20260101);
const law = <T>(property: fc.IProperty<T>) => fc.assert(property, { seed });

const TD = 'cluster.local';
const AT = DEFAULT_EPOCH;
const root = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, ttlMs: 100 * DAY_MS });
const below = root.createIntermediate({ at: AT, ttlMs: 60 * DAY_MS });
const bundles = TrustBundleSet.of({ [TD]: [root.root] });
const spiffeId = workloadSpiffeId({ trustDomain: TD, namespace: 'default', serviceAccount: 'frontend' });

const authority = fc.constantFrom(root, below);
const issuedAt = fc.integer({ min: 2 * MINUTE_MS, max: 50 * DAY_MS }).map((ms) => addMs(AT, ms));
const ttlMs = fc.oneof(
  fc.integer({ min: SECOND_MS, max: MAX_LEAF_TTL_MS }),
  fc.constantFrom(SECOND_MS, DAY_MS, MAX_LEAF_TTL_MS),
);

describe('issuing', () => {
  it('an SVID verifies at every instant of its window and at none outside', () => {
    law(
      fc.property(authority, issuedAt, ttlMs, fc.double({ min: 0, max: 1, noNaN: true }), (ca, at, ttl, share) => {
        const { chain, notBefore, notAfter } = issueSvid(ca, { spiffeId, at, ttlMs: ttl, key: 'ed25519' });
        const ok = (instant: number) =>
          verifySvid(chain, { bundles, at: instantOf(instant), purpose: 'client', strict: true }).ok;
        const inside = Math.floor(notBefore + share * (notAfter - notBefore));
        expect([notBefore, inside, notAfter].map(ok)).toEqual([true, true, true]);
        expect([notBefore - 1, notBefore - SECOND_MS, notAfter + SECOND_MS].map(ok)).toEqual([false, false, false]);
      }),
    );
  });

  it('what is told of a certificate before it is read is what its bytes say, short and long serial numbers alike', () => {
    const lengths = new Set<number>();
    law(
      fc.property(authority, issuedAt, ttlMs, (ca, at, ttl) => {
        const [leaf] = issueSvid(ca, { spiffeId, at, ttlMs: ttl, key: 'ed25519' }).chain;
        const told = (certificate: Certificate | undefined) => ({
          serial: certificate?.serial,
          serialBytes: [...(certificate?.serialBytes ?? [])],
          notBefore: certificate?.notBefore,
          notAfter: certificate?.notAfter,
        });
        lengths.add(leaf?.serialBytes.length ?? 0);
        const before = told(leaf);
        expect(before).toEqual(told(Certificate.fromDer(leaf?.der ?? new Uint8Array())));
        expect(leaf?.uriSans).toEqual([spiffeId]);
      }),
    );
    // With a sign octet in front and without one; now and then leading zeros are gone.
    expect(lengths).toContain(16);
    expect(lengths).toContain(17);
  });

  it('times are written as toISOString has them, in every century', () => {
    law(
      fc.property(
        fc.date({
          min: new Date('0000-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59.999Z'),
          noInvalidDate: true,
        }),
        (date) => {
          const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
          const year = date.getUTCFullYear();
          const text = year >= 1950 && year < 2050 ? digits.slice(2) : digits;
          expect(Buffer.from(writer.derTime(instantOf(date.getTime())).subarray(2)).toString('latin1')).toBe(text);
        },
      ),
    );
  });

  it('a life is what was asked for, rounded down, never past the signer or 90 days', () => {
    let clamped = 0;
    law(
      fc.property(authority, issuedAt, ttlMs, (ca, at, ttl) => {
        const { notBefore, notAfter } = issueSvid(ca, { spiffeId, at, ttlMs: ttl, key: 'ed25519' });
        const wanted = Math.floor((at + ttl) / SECOND_MS) * SECOND_MS;
        if (wanted > ca.certificate.notAfter) clamped++;
        expect(notAfter).toBe(Math.min(wanted, ca.certificate.notAfter));
        expect(notBefore).toBe(Math.floor(at / SECOND_MS) * SECOND_MS - 2 * MINUTE_MS);
      }),
    );
    expect(clamped).toBeGreaterThan(5);
  });

  it('a seeded EC key is the same again, and signs what node:crypto accepts', () => {
    law(
      fc.property(
        fc.string(),
        fc.constantFrom('ecdsa-p256' as const, 'ecdsa-p384' as const, 'ed25519' as const),
        (s, key) => {
          const [one, two] = [generateKeyPair(key, { rng: new Rng(s) }), generateKeyPair(key, { rng: new Rng(s) })];
          expect(one.spki).toEqual(two.spki);
          expect(Buffer.from(one.spki)).toEqual(one.publicKey.export({ format: 'der', type: 'spki' }));
        },
      ),
    );
  });
});

describe('DER', () => {
  const same = (actual: unknown, expected: unknown): void => {
    expect(actual).toEqual(expected);
  };
  const read = (bytes: Uint8Array) => new DerReader(bytes, 'property');
  const octets = fc.uint8Array({ maxLength: 300 });

  it('the reader gives back what the writer wrote', () => {
    const arc = fc.integer({ min: 0, max: 2 ** 40 });
    const oid = fc.tuple(
      fc.constantFrom('0', '1', '2'),
      fc.integer({ min: 0, max: 39 }),
      fc.array(arc, { maxLength: 6 }),
    );
    law(fc.property(fc.nat(), (n) => same(read(writer.derInteger(n)).smallInteger(), n)));
    law(fc.property(octets, (b) => same(read(writer.derOctetString(b)).octetString(), b)));
    law(fc.property(octets, (b) => same(read(writer.derBitString(b)).bitString(), { bytes: b, unusedBits: 0 })));
    law(
      fc.property(oid, ([a, b, rest]) => {
        const dotted = [a, b, ...rest].join('.');
        expect(read(writer.derOid(dotted)).oid()).toBe(dotted);
      }),
    );
    law(fc.property(fc.boolean(), (b) => same(read(writer.derBoolean(b)).boolean(), b)));
    const seconds = fc.integer({
      min: Date.parse('0000-01-01T00:00:00Z') / 1000,
      max: Date.parse('9999-12-31T23:59:59Z') / 1000,
    });
    law(
      fc.property(seconds, fc.integer({ min: 0, max: 999 }), (s, ms) =>
        same(read(writer.derTime(instantOf(s * 1000 + ms))).time(), s * 1000),
      ),
    );
    law(
      fc.property(octets, (b) => {
        const integer = read(writer.derUnsigned(b)).integer();
        expect(BigInt(`0x0${Buffer.from(integer).toString('hex')}`)).toBe(
          BigInt(`0x0${Buffer.from(b).toString('hex')}`),
        );
        expect(integer[0] ?? 0).toBeLessThan(0x80);
      }),
    );
    law(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 8 })), (bits) => {
        const { bytes, unusedBits } = read(writer.derNamedBits(bits)).bitString();
        const found = [...Array(bytes.length * 8 - unusedBits).keys()].filter(
          (i) => ((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0,
        );
        expect(found).toEqual([...bits].sort((a, b) => a - b));
      }),
    );
  });

  it.each([0, 127, 128, 255, 256, 65_535, 65_536, 70_000])(
    'a value of %i octets has the one minimal length',
    (length) => {
      const content = new Uint8Array(length).fill(7);
      expect(read(writer.derSequence(content)).content(0x30)).toEqual(content);
    },
  );
});

describe('rotation', () => {
  const event = fc.constantFrom<RotationEvent['kind']>(
    'start',
    'timer',
    'issued',
    'failed',
    'renew',
    'clock-step',
    'suspend',
    'resume',
    'stop',
  );
  const moves = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 2 * DAY_MS }), fc.integer({ min: 0, max: 3 })), {
    maxLength: 60,
  });

  it('never has two requests under way, and always a timer ahead while there is something to wait for', () => {
    const seen = new Set<RotationState['kind']>();
    law(
      fc.property(moves, fc.integer({ min: -DAY_MS, max: DAY_MS }), fc.string(), (steps, clockSkewMs, s) => {
        const rng = new Rng(s);
        let state: RotationState = ROTATION_IDLE;
        let at = AT;
        let timer: number | undefined;
        const open = new Set<number>();
        for (const [kind, waitMs, back] of steps) {
          at = addMs(at, waitMs);
          const request = [...open][0] ?? back;
          const certificate = { serial: String(at), notBefore: at, notAfter: addMs(at, DAY_MS) };
          const next: RotationEvent =
            kind === 'issued'
              ? { kind, request, certificate }
              : kind === 'failed'
                ? { kind, request, reason: 'x' }
                : { kind };
          if (kind === 'issued' || kind === 'failed') {
            // A suspended or stopped agent has cancelled what it asked for.
            open.delete(request);
          }
          if (kind === 'timer') timer = undefined;
          const step = stepRotation(state, next, { at, clockSkewMs, policy: rotationPolicy(), rng });
          for (const effect of step.effects) {
            if (effect.kind === 'request') open.add(effect.request);
            if (effect.kind === 'cancel-request') open.delete(effect.request);
            if (effect.kind === 'set-timer') timer = effect.at;
            if (effect.kind === 'clear-timer') timer = undefined;
          }
          expect(open.size).toBeLessThanOrEqual(1);
          const waits = ['requesting', 'backing-off', 'holding'].includes(step.state.kind);
          expect(timer !== undefined).toBe(waits);
          if (kind === 'timer' && waits) expect(timer).toBeGreaterThan(at);
          seen.add(step.state.kind);
          state = step.state;
        }
      }),
    );
    expect([...seen].sort()).toEqual(['backing-off', 'holding', 'idle', 'requesting', 'stopped', 'suspended']);
  });
});
