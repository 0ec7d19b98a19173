/**
 * Rules that decide nothing: rules that can never match, rules that another rule shadows, and rules whose removal
 * changes no answer at any workload.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { SourcePosition } from '../istio/resource.ts';
import { CLOSED, letting, type AccessProgram, type Cube, type RuleCubes } from './access-program.ts';
import { walkJointly } from './joint-walk.ts';
import { AccessMap } from './port-access.ts';

export interface RedundantRule {
  readonly rule: PolicyRef;
  readonly at?: SourcePosition;
  /**
   * `unselected`: no workload is selected; `vacuous`: no request can match; `shadowed`: one other rule decides
   * everything it matches; `redundant`: several do together.
   */
  readonly why: 'unselected' | 'vacuous' | 'shadowed' | 'redundant';
  /** The rule that shadows it. */
  readonly by?: PolicyRef;
  readonly byAt?: SourcePosition;
}

/** The wider of the two: what is dead there is dead in requests, too. */
const ANY_TRAFFIC = { traffic: 'tcp' } as const;

interface RuleFacts {
  readonly ref: PolicyRef;
  live: boolean;
  matches: boolean;
  /** Shadowing rules at every workload so far, by name; absent: nothing seen yet. */
  shadows: Map<string, PolicyRef> | undefined;
}

/** Rules that could be taken out without any effect. */
export function redundancy(config: MeshConfig): readonly RedundantRule[] {
  const map = new AccessMap(config);
  const facts = new Map<string, RuleFacts>();
  const seen = new Set<string>();
  for (const to of map.side.names) {
    const subject = map.subject(to);
    // A rule may be about a port that nothing declares.
    const ports = new Set([...map.side.ports(subject).keys(), ...map.side.select(subject).portsNamed]);
    for (const port of ports) {
      for (const traffic of ['http', 'tcp'] as const) {
        const access = map.port({ to, port, traffic });
        const rules = map.rules(access);
        for (const { ref } of rules) factsOf(facts, ref);
        // Policies of another name with the same rules are other policies here.
        const key = map.side.programKey(access.selected, access.setup, traffic, 'causes');
        if (rules.length === 0 || seen.has(key)) continue;
        seen.add(key);
        const program = map.side.program(key, access.selected, access.setup, traffic);
        for (const rule of rules) judge(map, factsOf(facts, rule.ref), rule, { program, rules });
      }
    }
  }
  const found = [...facts.values()].flatMap((fact) => verdict(map, fact));
  return [...found, ...unselected(map, facts)];
}

function factsOf(facts: Map<string, RuleFacts>, ref: PolicyRef): RuleFacts {
  const key = nameOf(ref);
  let known = facts.get(key);
  if (known === undefined) {
    known = { ref, live: false, matches: false, shadows: undefined };
    facts.set(key, known);
  }
  return known;
}

function nameOf({ namespace, name, rule }: PolicyRef): string {
  return `${namespace}/${name}#${rule ?? 0}`;
}

function judge(
  map: AccessMap,
  fact: RuleFacts,
  rule: RuleCubes,
  port: { readonly program: AccessProgram; readonly rules: readonly RuleCubes[] },
): void {
  const { program } = port;
  if (rule.cubes.length === 0 || !canMatch(map, rule.cubes, program)) return;
  fact.matches = true;
  if (fact.live) return;
  if (walkJointly(program, without(program, rule), map.factory, ANY_TRAFFIC).root !== undefined) {
    fact.live = true;
    return;
  }
  const shadowing = port.rules.filter(
    (other) =>
      other !== rule &&
      // An ALLOW rule is as good as gone behind a DENY rule that is wider; the reverse is not true.
      (other.action === rule.action || other.action === 'DENY') &&
      covers(map, { wide: other.cubes, narrow: rule.cubes }, program),
  );
  const found = new Map(shadowing.map(({ ref }) => [nameOf(ref), ref]));
  const before = fact.shadows;
  fact.shadows = before === undefined ? found : new Map([...before].filter(([name]) => found.has(name)));
}

/** The program as it would be if the rule had been left out, its policy still there. */
function without(program: AccessProgram, rule: RuleCubes): AccessProgram {
  const gone = new Set(rule.cubes);
  return program.map((stage) => ({ ...stage, cubes: stage.cubes.filter((cube) => !gone.has(cube)) }));
}

function canMatch(map: AccessMap, cubes: readonly Cube[], program: AccessProgram): boolean {
  return walkJointly(CLOSED, letting(cubes, program), map.factory, ANY_TRAFFIC).root !== undefined;
}

/** Whether `wide` matches all that `narrow` matches. */
function covers(
  map: AccessMap,
  { wide, narrow }: { readonly wide: readonly Cube[]; readonly narrow: readonly Cube[] },
  program: AccessProgram,
): boolean {
  const [one, both] = [letting(wide, program), letting([...wide, ...narrow], program)];
  return walkJointly(one, both, map.factory, ANY_TRAFFIC).root === undefined;
}

function verdict(map: AccessMap, { ref, live, matches, shadows }: RuleFacts): readonly RedundantRule[] {
  if (live) return [];
  const at = map.side.positionOf(ref);
  const base = { rule: ref, ...(at === undefined ? {} : { at }) };
  if (!matches) return [{ ...base, why: 'vacuous' }];
  const [by] = shadows?.values() ?? [];
  if (by === undefined) return [{ ...base, why: 'redundant' }];
  const byAt = map.side.positionOf(by);
  return [{ ...base, why: 'shadowed', by, ...(byAt === undefined ? {} : { byAt }) }];
}

function unselected(map: AccessMap, facts: ReadonlyMap<string, RuleFacts>): readonly RedundantRule[] {
  return map.side.unselected.flatMap(({ metadata, spec }) =>
    (spec.rules ?? []).flatMap((_, rule): readonly RedundantRule[] => {
      const ref: PolicyRef = { kind: 'AuthorizationPolicy', namespace: metadata.namespace, name: metadata.name, rule };
      if (facts.has(nameOf(ref)) || (spec.action ?? 'ALLOW') === 'AUDIT' || spec.action === 'CUSTOM') return [];
      const at = map.side.positionOf(ref);
      return [{ rule: ref, ...(at === undefined ? {} : { at }), why: 'unselected' }];
    }),
  );
}
