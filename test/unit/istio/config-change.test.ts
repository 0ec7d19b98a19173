import { describe, expect, it } from 'vitest';
import {
  EMPTY_MESH_CONFIG,
  mergeConfig,
  parseManifests,
  policyResources,
  refOf,
  removeResource,
  selects,
  validateResource,
} from '../../../src/istio/index.ts';
import { ONE_OF_EACH } from './manifests.ts';

const base = parseManifests(ONE_OF_EACH);

function peer(name: string, mode: string): string {
  return `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: ${name}, namespace: shop }\nspec: { selector: { matchLabels: { app: cart } }, mtls: { mode: ${mode} } }\n`;
}

describe('mergeConfig', () => {
  it('replaces an object of the same kind, namespace and name, and adds others', () => {
    const merged = mergeConfig(base, parseManifests(`${peer('cart', 'DISABLE')}---\n${peer('new', 'STRICT')}`));
    expect(merged.peerAuthentications.map((pa) => [pa.metadata.name, pa.spec.mtls?.mode])).toEqual([
      ['cart', 'DISABLE'],
      ['new', 'STRICT'],
    ]);
    expect(merged.settings).toBe(base.settings);
    expect(base.peerAuthentications).toHaveLength(1);
  });

  it('takes objects that code built, and keeps the time of creation', () => {
    const old = validateResource({
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { mtls: { mode: 'STRICT' } },
    });
    const next = validateResource({ ...old, metadata: { name: 'a' }, spec: { mtls: { mode: 'DISABLE' } } });
    const merged = mergeConfig(mergeConfig(EMPTY_MESH_CONFIG, [old]), [next]);
    expect(merged.peerAuthentications).toMatchObject([
      {
        metadata: { namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
        spec: { mtls: { mode: 'DISABLE' } },
      },
    ]);
  });

  it('changes nothing when it applies what is there', () => {
    expect(policyResources(mergeConfig(base, base))).toEqual(policyResources(base));
  });
});

describe('removeResource', () => {
  it('takes away exactly the object named', () => {
    for (const resource of policyResources(base)) {
      const rest = policyResources(removeResource(base, refOf(resource)));
      expect(rest).toEqual(policyResources(base).filter((other) => other !== resource));
    }
  });

  it('gives the same value where there is no such object', () => {
    expect(removeResource(base, { kind: 'PeerAuthentication', namespace: 'shop', name: 'nobody' })).toBe(base);
  });
});

describe('selects', () => {
  it('asks for every label with exactly its value', () => {
    expect(selects({ app: 'a' }, { app: 'a', version: 'v1' })).toBe(true);
    expect(selects({ app: 'a', version: 'v2' }, { app: 'a', version: 'v1' })).toBe(false);
    expect(selects({ constructor: 'x' }, {})).toBe(false);
    expect(selects({}, {})).toBe(true);
    expect(selects(undefined, { app: 'a' })).toBe(true);
  });
});
