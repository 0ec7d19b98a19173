/** Which small wrong versions of a configuration there are: one change each, none twice, and each a configuration. */
import { describe, expect, it } from 'vitest';
import { mutate } from '../../../src/analysis/index.ts';
import { parseManifests, policyResources, validateResource } from '../../../src/istio/index.ts';

function changes(kind: string, spec: string, namespace = 'shop'): readonly string[] {
  const config = parseManifests(
    `apiVersion: ${kind === 'DestinationRule' ? 'networking' : 'security'}.istio.io/v1
kind: ${kind}
metadata: { name: p, namespace: ${namespace} }
spec: ${spec}
`,
    { origin: 'p.yaml' },
  );
  const mutants = [...mutate(config)];
  const texts = mutants.map((mutant) => JSON.stringify(policyResources(mutant.config)));
  expect(new Set([...texts, JSON.stringify(policyResources(config))]).size).toBe(texts.length + 1);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
  for (const { id, config: mutant } of mutants) {
    // A DENY without rules is refused by Istio; it stands for a policy that does nothing.
    if (!id.endsWith('remove the rule')) for (const resource of policyResources(mutant)) validateResource(resource);
  }
  return mutants.map(({ id, operator }) => `${operator}: ${id.replace(`${kind}/${namespace}/p`, '').trim()}`);
}

describe('mutants', () => {
  it('of an AuthorizationPolicy change its action, selector, rules, alternatives, clauses and values', () => {
    const spec =
      '{ selector: { matchLabels: { app: a, version: v1 } }, action: DENY, rules: [{ from: [{ source: { namespaces: [x] } }, { source: { ipBlocks: [10.0.0.0/8] } }], to: [{ operation: { methods: [GET, PUT], notPorts: ["80"] } }] }] }';
    expect(changes('AuthorizationPolicy', spec)).toEqual([
      'remove-policy: : remove the policy',
      'flip-action: action: DENY becomes ALLOW',
      'drop-selector: selector: select every workload',
      'drop-label: selector.matchLabels.app: select whatever app is',
      'drop-label: selector.matchLabels.version: select whatever version is',
      'remove-rule: rules[0]: remove the rule',
      'remove-alternative: rules[0].from[0]: remove it',
      'remove-alternative: rules[0].from[1]: remove it',
      'remove-clause: rules[0].from[0].source.namespaces: remove the list',
      'negate-clause: rules[0].from[0].source.namespaces: namespaces becomes notNamespaces',
      'widen-value: rules[0].from[0].source.namespaces: value x becomes x*',
      'negate-clause: rules[0].from[1].source.ipBlocks: ipBlocks becomes notIpBlocks',
      'remove-clause: rules[0].to[0].operation.methods: remove the list',
      'negate-clause: rules[0].to[0].operation.methods: methods becomes notMethods',
      'remove-value: rules[0].to[0].operation.methods: remove value GET',
      'remove-value: rules[0].to[0].operation.methods: remove value PUT',
      'remove-clause: rules[0].to[0].operation.notPorts: remove the list',
      'negate-clause: rules[0].to[0].operation.notPorts: notPorts becomes ports',
    ]);
  });

  it.each([
    ['/a/*', ['widen-value /*', 'narrow-value /a/']],
    ['/admin', ['widen-value /admin*']],
    ['*.css', ['widen-value *', 'narrow-value .css']],
    ['/a/{*}/b/{*}', ['widen-value /a/{*}/b/{**}']],
    ['/a/{**}', ['narrow-value /a/{*}']],
    ['*', []],
  ])('of the path %s take more or less: %j', (path, expected) => {
    const found = changes('AuthorizationPolicy', `{ rules: [{ to: [{ operation: { paths: ["${path}"] } }] }] }`);
    const values = found
      .filter((each) => /^(?:widen|narrow)/.test(each))
      .map((each) => each.replace(/^(\S+): .* becomes /, '$1 '));
    expect(values).toEqual(expected);
  });

  it('of conditions keep their key', () => {
    const found = changes(
      'AuthorizationPolicy',
      '{ rules: [{ when: [{ key: source.namespace, notValues: [a, b] }] }] }',
    );
    expect(found).toContain('negate-clause: rules[0].when[0].notValues: notValues becomes values');
    expect(found).toContain('remove-value: rules[0].when[0].notValues: remove value b');
  });

  it('of the other kinds change modes, ports and selectors', () => {
    expect(changes('PeerAuthentication', '{ mtls: { mode: STRICT } }')).toEqual([
      'remove-policy: : remove the policy',
      'change-mode: mtls.mode: mode STRICT becomes PERMISSIVE',
      'change-mode: mtls.mode: mode STRICT becomes DISABLE',
    ]);
    const ports = '{ selector: { matchLabels: { app: a } }, portLevelMtls: { 80: { mode: DISABLE } } }';
    expect(changes('PeerAuthentication', ports)).toEqual([
      'remove-policy: : remove the policy',
      'change-mode: mtls.mode: mode UNSET becomes STRICT',
      'change-mode: mtls.mode: mode UNSET becomes PERMISSIVE',
      'change-mode: mtls.mode: mode UNSET becomes DISABLE',
      'change-mode: portLevelMtls.80: mode DISABLE becomes STRICT',
      'change-mode: portLevelMtls.80: mode DISABLE becomes PERMISSIVE',
    ]);
    expect(changes('DestinationRule', '{ host: a, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }')).toEqual([
      'remove-policy: : remove the policy',
      'change-mode: trafficPolicy.tls.mode: mode ISTIO_MUTUAL becomes DISABLE',
      'change-mode: trafficPolicy.tls.mode: mode ISTIO_MUTUAL becomes SIMPLE',
    ]);
    expect(
      changes(
        'RequestAuthentication',
        '{ selector: { matchLabels: { app: a } }, jwtRules: [{ issuer: i, jwks: \'{"keys":[{"kty":"oct","k":"eA"}]}\' }] }',
      ),
    ).toEqual(['remove-policy: : remove the policy', 'drop-selector: selector: select every workload']);
  });
});
