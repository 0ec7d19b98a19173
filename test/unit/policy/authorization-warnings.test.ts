/** Nothing of a policy is passed over in silence. */
import { describe, expect, it } from 'vitest';
import type { AuthorizationPolicySpec } from '../../../src/istio/index.ts';
import { authorizationWarnings } from '../../../src/policy/index.ts';
import { authorizationPolicy as policy, meshWith } from '../../kit/policies.ts';

function warned(spec: AuthorizationPolicySpec, annotations: Readonly<Record<string, string>> = {}): readonly string[] {
  return authorizationWarnings(meshWith([policy(spec, { annotations })])).map(
    ({ path, message }) => `${path}: ${message}`,
  );
}

describe('authorizationWarnings', () => {
  it('tells of a dry run that is none', () => {
    expect(warned({}, { 'istio.io/dry-run': 'yes' })).toEqual([
      'metadata.annotations[istio.io/dry-run]: `yes` is no boolean: the policy is enforced',
    ]);
    expect(warned({}, { 'istio.io/dry-run': 'false' })).toEqual([]);
  });

  it('tells of rules that are skipped and values that are left out', () => {
    const rules = [
      { when: [{ key: 'destination.user', values: ['x'] }] },
      { to: [{ operation: { ports: ['x', '80'] } }], from: [{ source: { ipBlocks: ['10.0.0.0/8', '1.2.3'] } }] },
    ];
    expect(warned({ action: 'DENY', rules })).toEqual([
      'rules[0].when[0].key: unknown key `destination.user`: the rule is skipped',
      'rules[1].from[0].source.ipBlocks: `1.2.3` is not an IP block: it is left out',
      'rules[1].to[0].operation.ports: `x` is not a port: it is left out',
    ]);
    expect(warned({ rules: rules.slice(1) })[0]).toContain('the rule is skipped');
  });

  it('tells of a CUSTOM provider that cannot answer', () => {
    expect(warned({ action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] })).toEqual([
      'provider.name: `x` is no external authorizer: what the rules match is refused',
    ]);
  });
});
