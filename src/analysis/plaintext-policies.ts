/**
 * Which rules look to callers in the clear: once mutual TLS is STRICT, what they say of such callers is void.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { SourcePosition } from '../istio/resource.ts';
import { CLOSED, letting, type AccessProgram, type Cube, type RuleCubes } from './access-program.ts';
import { walkJointly } from './joint-walk.ts';
import { AccessMap } from './port-access.ts';

export interface PlaintextPolicy {
  readonly rule: PolicyRef;
  readonly at?: SourcePosition;
  readonly action: 'ALLOW' | 'DENY';
  /** `only`: nobody else is meant, the rule is dead under STRICT; `also`: callers with an identity, too. */
  readonly plaintext: 'only' | 'also';
  /** Where it admits or refuses them today, `namespace/workload:port`. */
  readonly ports: readonly string[];
}

/** Rules that admit callers in the clear at a port that takes them, and rules that are about nobody else. */
export function plaintextPolicies(config: MeshConfig): readonly PlaintextPolicy[] {
  const map = new AccessMap(config);
  const found = new Map<string, { readonly policy: Omit<PlaintextPolicy, 'ports'>; readonly ports: string[] }>();
  for (const access of map.declaredPorts()) {
    if (!access.subject.injected || access.setup.mode === 'STRICT') continue;
    for (const rule of map.rules(access)) {
      const plaintext = relianceOf(map, rule, access.program);
      if (plaintext === undefined) continue;
      const key = `${rule.ref.namespace}/${rule.ref.name}#${rule.ref.rule ?? 0} ${plaintext}`;
      const at = map.side.positionOf(rule.ref);
      const known = found.get(key) ?? {
        policy: { rule: rule.ref, ...(at === undefined ? {} : { at }), action: actionOf(rule), plaintext },
        ports: [],
      };
      known.ports.push(`${access.subject.namespace}/${access.subject.name}:${access.setup.port}`);
      found.set(key, known);
    }
  }
  return [...found.values()].map(({ policy, ports }) => ({ ...policy, ports }));
}

function actionOf({ action }: RuleCubes): 'ALLOW' | 'DENY' {
  return action === 'DENY' ? 'DENY' : 'ALLOW';
}

function relianceOf(map: AccessMap, rule: RuleCubes, program: AccessProgram): PlaintextPolicy['plaintext'] | undefined {
  const identified: Cube = [{ atom: map.anyIdentity, negated: false }];
  const clear: Cube = [{ atom: map.anyIdentity, negated: true }];
  const matches = (without: Cube): boolean =>
    walkJointly(
      CLOSED,
      [{ decision: 'deny', cause: '', cubes: [without] }, ...letting(rule.cubes, program)],
      map.factory,
      { traffic: 'tcp' },
    ).root !== undefined;
  if (!matches(identified)) return undefined;
  if (!matches(clear)) return 'only';
  // A DENY rule about everybody loses nothing.
  return rule.action === 'ALLOW' ? 'also' : undefined;
}
