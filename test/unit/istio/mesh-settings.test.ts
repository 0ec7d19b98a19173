/** Where the mesh's settings are read from, when several objects may hold them. */
import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../../src/istio/index.ts';

const map = (name: string, trustDomain: string, namespace = 'istio-system'): string =>
  `apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: ${namespace} }
data:
  mesh: |
    trustDomain: ${trustDomain}
`;
const operator = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: { name: i, namespace: istio-system }
spec: { meshConfig: { trustDomain: operator } }
`;
const trustDomain = (...documents: readonly string[]): string =>
  parseManifests(documents.join('---\n'), { origin: 'f' }).settings.trustDomain;

describe('mesh settings', () => {
  it('come from the ConfigMap istio of istio-system, whatever else there is', () => {
    expect(trustDomain(operator, map('istio', 'other', 'x'), map('istio-canary', 'canary'), map('istio', 'main'))).toBe(
      'main',
    );
  });

  it('come from the only other one, or from that of the only revision', () => {
    expect(trustDomain(operator, map('istio', 'other', 'x'), map('istio-canary', 'canary'))).toBe('other');
    expect(trustDomain(operator, map('istio-1-30', 'revision'))).toBe('revision');
    expect(trustDomain(operator)).toBe('operator');
    expect(trustDomain(map('istiod', 'unrelated'))).toBe('cluster.local');
  });

  it('are a mapping', () => {
    const list = map('istio', 'x').replace('trustDomain: x', '- x');
    expect(() => trustDomain(list)).toThrow('f:6:5: data.mesh: expected a mapping, found a list');
  });

  it('are not guessed between two revisions', () => {
    expect(() => trustDomain(map('istio-1-29', 'a'), map('istio-1-30', 'b'))).toThrow(
      'f:12:9: data.mesh: several ConfigMaps (istio-system/istio-1-29, istio-system/istio-1-30) and no istio-system/istio',
    );
  });
});
