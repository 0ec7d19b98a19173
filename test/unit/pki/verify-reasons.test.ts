import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addMs, SECOND_MS } from '../../../src/core/index.ts';
import {
  type Certificate,
  CHAIN_REASONS,
  RevocationList,
  SVID_REASONS,
  type SvidReason,
  type SvidResult,
  SvidVerifier,
  TrustBundleSet,
  verifyChain,
  type VerifyOptions,
  type VerifyResult,
  verifySvid,
} from '../../../src/pki/index.ts';
import {
  type Authority,
  type Change,
  ecKey,
  ext,
  gn,
  leafSpec,
  makeAuthority,
  makeLeaf,
  makeList,
  makeDer,
  name,
  NOON,
  NOT_AFTER,
  NOT_BEFORE,
} from '../../kit/x509-maker.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const codes = [...Object.keys(CHAIN_REASONS), ...Object.keys(SVID_REASONS)];
const meanings = [...Object.values(CHAIN_REASONS), ...Object.values(SVID_REASONS)];

const root = makeAuthority('root');
const options: VerifyOptions = { roots: [root.certificate], at: NOON, purpose: 'server' };

function judge(presented: readonly (Certificate | Authority)[], other: Partial<VerifyOptions> = {}): VerifyResult {
  const certificates = presented.map((one) => ('certificate' in one ? one.certificate : one));
  return verifyChain(certificates, { ...options, ...other });
}

function chain(change: Change, other: Partial<VerifyOptions> = {}): () => VerifyResult {
  return () => judge([makeLeaf(root, change)], other);
}

function under(change: Change, leaf: Change = {}): () => VerifyResult {
  return () => {
    const authority = makeAuthority('ca', root, change);
    return judge([makeLeaf(authority, leaf), authority]);
  };
}

const bundles = TrustBundleSet.of({ 'mesh.test': [root.certificate] });

function svid(change: Change, parent: Authority = root): () => SvidResult {
  return () => verifySvid([makeLeaf(parent, change), parent.certificate], { bundles, at: NOON, purpose: 'server' });
}

function deep(): VerifyResult {
  const authorities: Authority[] = [];
  for (let top = root; authorities.length < 20;) {
    top = makeAuthority(`ca ${authorities.length}`, top);
    authorities.unshift(top);
  }
  return judge([makeLeaf(authorities[0] ?? root), ...authorities]);
}

function endless(): VerifyResult {
  const names = Array.from({ length: 300 }, (_, i) => gn.dns(`a${i}.test`));
  return under({ with: [ext.nameConstraints([], names)] }, { with: [ext.names(...names)] })();
}

function malformed(): SvidResult {
  const der = makeDer(leafSpec(root, { mangle: (tbs) => Buffer.concat([tbs, Buffer.alloc(1)]) }));
  return new SvidVerifier().verifyDer([der], { bundles, at: NOON, purpose: 'server' });
}

const revokedLeaf = makeLeaf(root);
const revoking = RevocationList.fromDer(makeList(root, { revoked: [revokedLeaf.serial] }));
const spiffeNames = (...ids: readonly string[]): Change => ({ with: [ext.names(...ids.map((id) => gn.uri(id)))] });

/** For every code a chain that differs from a valid one in one respect. */
const PRODUCED: Readonly<Record<SvidReason, () => VerifyResult | SvidResult>> = {
  empty_chain: () => judge([]),
  malformed,
  chain_too_large: () => judge(Array.from({ length: 129 }, () => root)),
  chain_too_long: deep,
  work_limit: endless,
  untrusted_root: chain({}, { roots: [] }),
  bad_signature: chain({ issuerKey: ecKey() }),
  expired: chain({}, { at: addMs(NOT_AFTER, SECOND_MS) }),
  not_yet_valid: chain({}, { at: addMs(NOT_BEFORE, -SECOND_MS) }),
  not_a_ca: under({ with: [ext.basicConstraints(false)] }),
  path_length_exceeded: () => {
    const first = makeAuthority('first', root, { with: [ext.basicConstraints(true, 0)] });
    const second = makeAuthority('second', first);
    return judge([makeLeaf(second), second, first]);
  },
  key_usage: under({ with: [ext.keyUsage('cRLSign')] }),
  extended_key_usage: chain({ with: [ext.purposes('1.2.3')] }),
  name_constraints: under({ with: [ext.nameConstraints([gn.uri('elsewhere.test')])] }),
  unhandled_critical_extension: chain({ with: [{ ...ext.purposes('1.2.3'), oid: '1.2.3.4', critical: true }] }),
  unsupported_key: chain({ key: ecKey('prime192v1') }),
  unsupported_signature: chain({ digest: 'sha1' }),
  certificate_profile: chain({ version: 1, extensions: [] }),
  revoked: () => judge([revokedLeaf], { crls: [revoking] }),
  revocation_unknown: () => judge([revokedLeaf], { crls: [] }),
  svid_no_uri: svid({ without: ['2.5.29.17'] }),
  svid_several_uris: svid(spiffeNames('spiffe://mesh.test/a', 'spiffe://mesh.test/b')),
  svid_invalid_id: svid(spiffeNames('spiffe://mesh.test/a/')),
  svid_no_path: svid(spiffeNames('spiffe://mesh.test')),
  svid_leaf_is_ca: svid({ with: [ext.basicConstraints(true)] }),
  svid_leaf_can_sign: svid({ with: [ext.keyUsage('digitalSignature', 'cRLSign')] }),
  svid_key_usage: svid({ without: ['2.5.29.15'] }),
  svid_san_not_critical: svid({ subject: name({}) }),
  svid_unknown_trust_domain: svid(spiffeNames('spiffe://elsewhere.test/a')),
  svid_signing_id: svid({}, makeAuthority('ca', root, spiffeNames('spiffe://mesh.test/ns/ca'))),
};

describe('reasons of refusal', () => {
  it('are all documented, with their meaning, and no others are', () => {
    const rows = [
      ...readFileSync(join(ROOT, 'docs/reference/x509-reasons.md'), 'utf8').matchAll(/^\| `(\w+)` \| (.+?) \|/gm),
    ];
    expect(rows.map((row) => row[1])).toEqual(codes);
    expect(rows.map((row) => row[2]?.toLowerCase())).toEqual(meanings.map((meaning) => meaning.toLowerCase()));
  });

  it.each(Object.entries(PRODUCED))('%s is what a chain is refused with', (code, refused) => {
    expect(refused()).toMatchObject({ ok: false, reason: code });
  });

  it('keep to one line of a bounded length, whatever a certificate says', () => {
    const limits = ext.nameConstraints([gn.dns('mesh.test')]);
    const authority = makeAuthority('ca', root, { with: [limits] });
    const result = judge([makeLeaf(authority, { with: [ext.names(gn.dns('x'.repeat(9_000)))] }), authority]);
    expect(result).toMatchObject({ reason: 'name_constraints' });
    expect(result.ok ? 0 : result.detail.length).toBeLessThan(1_000);
  });
});
