/**
 * The exact semantic difference of two configurations: which requests get a different answer, as classes with a
 * witness each, and which decision was made by what on either side.
 *
 * Exact: the walk enumerates the finite classes of every attribute instead of sampling requests; see
 * `docs/guide/policy-diff.md` for the argument and for what lies outside the model. Every witness is decided again by
 * `src/policy`; a disagreement is a bug and thrown.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { ProtocolClass } from '../policy/inbound-ports.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { causeOf, CLOSED, type AccessProgram, type PortSetup, type Traffic } from './access-program.ts';
import { AtomTable } from './atom.ts';
import { callFindings, type CallFindings } from './call-findings.ts';
import type { Finding, FindingKind } from './finding.ts';
import { destinationOf, hostOf, targetOf } from './finding-target.ts';
import { joinClasses, mergeFindings } from './finding-merge.ts';
import { hypotheticalSubjects, undeclaredSubjects } from './hypothetical-subjects.ts';
import type { Change, Walk, WalkOptions } from './joint-walk.ts';
import { LevelFactory } from './level.ts';
import {
  bareProgram,
  MeshSide,
  OTHER_PORT,
  type SelectedPolicies,
  type SideDecision,
  type Subject,
} from './mesh-side.ts';
import { modeFindings } from './mode-findings.ts';
import { modelNotes } from './model-notes.ts';
import { withNearest } from './nearest-policy.ts';
import { droppedProgram, ownPrograms, TrustDomainChange } from './own-identity.ts';
import { formatRegion, type Region, type RegionText } from './region.ts';
import { falseAlone, type Sides } from './sides.ts';
import { changesNotCompared, combinationsNotCompared, UndecidedList, type Undecided } from './undecided.ts';
import { walkedRegions, type ProgramPair, type Walked } from './walked-regions.ts';
import { behindTrustDomain, familiarPrincipals, witnessOf, type Witness, type WitnessFrame } from './witness.ts';

export interface PolicyDiff {
  readonly findings: readonly Finding[];
  /** What could not be compared: a change there may let anything in. Empty: the findings are all there is. */
  readonly undecided: readonly Undecided[];
  /** What lies outside the model and matters here. */
  readonly notes: readonly string[];
  readonly statistics: {
    readonly workloads: number;
    /** Pairs of different programs that had to be walked. */
    readonly walks: number;
    readonly states: number;
  };
}

export interface DiffOptions {
  /**
   * `istio`: callers have identities of the shape Istio's CA issues. `spiffe`: any SPIFFE ID.
   * @defaultValue `spiffe` where a mesh trusts foreign trust domains (`caCertificates[].trustDomains`), else `istio`
   */
  readonly identities?: 'istio' | 'spiffe';
  /** No more classes than this are listed per pair of programs. @defaultValue 200 */
  readonly regionsMax?: number;
  /**
   * Also the requests whose outcome stays and that another policy decides now (`same-outcome`). A policy that is renamed
   * or split is reported then. @defaultValue false
   */
  readonly sameOutcome?: boolean;
  /** Only these servers are compared, `namespace/workload`. @defaultValue all, and those that only selectors name */
  readonly workloads?: ReadonlySet<string>;
}

const REGIONS_MAX = 200;

/** Which requests `after` answers differently from `before`. */
export function diff(before: MeshConfig, after: MeshConfig, options: DiffOptions = {}): PolicyDiff {
  return new Comparison(before, after, options).run();
}

interface Pair {
  readonly name: string;
  readonly before: Subject | undefined;
  readonly after: Subject | undefined;
}

interface PortPair {
  readonly port: number;
  /** Not only a policy names it. */
  readonly declared: boolean;
  readonly before: ProtocolClass;
  readonly after: ProtocolClass;
}

const TRAFFICS: readonly Traffic[] = ['http', 'tcp'];

class Comparison {
  readonly #before: MeshSide;
  readonly #after: MeshSide;
  readonly #factory: LevelFactory;
  readonly #regionsMax: number;
  readonly #walks = new Map<string, Walked | string>();
  readonly #undecided = new UndecidedList();
  readonly #principals: WitnessFrame['principals'];
  readonly #workloads: ReadonlySet<string> | undefined;
  readonly #sameOutcome: boolean;
  readonly #atoms: AtomTable;
  readonly #trustDomains: TrustDomainChange | undefined;
  readonly #findings: Finding[] = [];
  #cut = false;
  /** Namespaces in which not all Pods that several selectors select are asked about. */
  #incomplete: readonly string[] = [];

  constructor(before: MeshConfig, after: MeshConfig, options: DiffOptions) {
    const atoms = new AtomTable();
    const keys = new Map<string, number>();
    this.#before = new MeshSide(before, atoms, keys);
    this.#after = new MeshSide(after, atoms, keys);
    const foreign = before.settings.caTrustDomains.length + after.settings.caTrustDomains.length > 0;
    const identities = options.identities ?? (foreign ? 'spiffe' : 'istio');
    this.#trustDomains = TrustDomainChange.between(before.settings, after.settings);
    const trustDomains = [before, after].flatMap(({ settings }) => acceptedTrustDomains(settings));
    const { strangers = [] } = this.#trustDomains ?? {};
    this.#atoms = atoms;
    this.#factory = new LevelFactory({ identities, trustDomains, strangers });
    this.#regionsMax = options.regionsMax ?? REGIONS_MAX;
    this.#principals = familiarPrincipals(after);
    this.#workloads = options.workloads;
    this.#sameOutcome = options.sameOutcome === true;
  }

  run(): PolicyDiff {
    const pairs = this.#pairs();
    for (const pair of pairs) this.#compare(pair);
    if (this.#workloads === undefined && pairs.some(({ before, after }) => (before ?? after)?.declared !== undefined)) {
      for (const subject of undeclaredSubjects(this.#before, this.#after)) {
        this.#compare({ name: subject.name, before: subject, after: subject });
      }
    }
    const calls = this.#calls();
    this.#findings.push(...calls.findings);
    this.#cut ||= calls.cut;
    let states = 0;
    let walks = 0;
    for (const walked of this.#walks.values()) {
      walks++;
      if (typeof walked !== 'string') states += walked.walk.states;
    }
    return {
      findings: mergeFindings(this.#findings),
      undecided: this.#undecided.with([
        ...changesNotCompared(this.#before.config, this.#after.config),
        ...combinationsNotCompared(this.#incomplete),
      ]),
      notes: modelNotes(this.#before.config, this.#after.config, {
        cut: this.#cut ? this.#regionsMax : undefined,
        narrowed: this.#factory.narrowed,
        calls: calls.findings.length > 0,
        hypothetical: pairs.some(({ before, after }) => (before ?? after)?.declared === undefined),
      }),
      statistics: { workloads: pairs.length, walks, states },
    };
  }

  #calls(): CallFindings {
    return callFindings({
      before: this.#before,
      after: this.#after,
      factory: this.#factory,
      regionsMax: this.#regionsMax,
      undecided: this.#undecided,
      servers: this.#workloads,
      strangers: this.#trustDomains?.strangers ?? [],
    });
  }

  #pairs(): readonly Pair[] {
    const all = [...new Set([...this.#before.names, ...this.#after.names])].sort();
    const names = this.#workloads === undefined ? all : all.filter((name) => this.#workloads?.has(name));
    if (all.length === 0) {
      const { subjects, incomplete } = hypotheticalSubjects(this.#before.config, this.#after.config);
      this.#incomplete = incomplete;
      return subjects.map((subject) => ({
        name: `${subject.namespace}/${subject.name}`,
        before: subject,
        after: subject,
      }));
    }
    return names.map((name) => ({ name, before: this.#before.subject(name), after: this.#after.subject(name) }));
  }

  #compare(pair: Pair): void {
    const selected = {
      before: pair.before === undefined ? NONE : this.#before.select(pair.before),
      after: pair.after === undefined ? NONE : this.#after.select(pair.after),
    };
    for (const port of this.#ports(pair, selected)) {
      this.#findings.push(
        ...modeFindings(
          { side: this.#before, subject: pair.before },
          { side: this.#after, subject: pair.after },
          port.port,
        ),
      );
      for (const traffic of TRAFFICS) this.#comparePort(pair, selected, port, traffic);
    }
  }

  /** Ports of either side, ports that policies name, and one for all others. */
  #ports({ before, after }: Pair, selected: Sides<SelectedPolicies>): readonly PortPair[] {
    const sides = {
      before: before === undefined ? undefined : this.#before.ports(before),
      after: after === undefined ? undefined : this.#after.ports(after),
    };
    const numbers = new Set([
      ...(sides.before?.keys() ?? []),
      ...(sides.after?.keys() ?? []),
      ...selected.before.portsNamed,
      ...selected.after.portsNamed,
    ]);
    const isDeclared = (port: number): boolean => sides.before?.has(port) === true || sides.after?.has(port) === true;
    return [...numbers]
      .sort((a, b) => rankPort(a, isDeclared(a)) - rankPort(b, isDeclared(b)))
      .map((port) => ({
        port,
        declared: isDeclared(port),
        before: sides.before?.get(port) ?? 'unknown',
        after: sides.after?.get(port) ?? 'unknown',
      }));
  }

  #comparePort({ before, after }: Pair, selected: Sides<SelectedPolicies>, port: PortPair, traffic: Traffic): void {
    const bare = {
      before: this.#before.setup(before ?? NOBODY, port.port, port.before),
      after: this.#after.setup(after ?? NOBODY, port.port, port.after),
    };
    // Asked for only where it tells the sides apart.
    const refuses = falseAlone({
      before: this.#before.takesEveryPath(before, port.before, traffic),
      after: this.#after.takesEveryPath(after, port.after, traffic),
    });
    const setups = {
      before: { ...bare.before, refusesPaths: refuses.before },
      after: { ...bare.after, refusesPaths: refuses.after },
    };
    const both = { traffic, declared: port.declared };
    const ports = {
      before: { side: this.#before, subject: before, selected: selected.before, setup: setups.before, ...both },
      after: { side: this.#after, subject: after, selected: selected.after, setup: setups.after, ...both },
    };
    this.#comparePrograms(ports, 'outcomes');
    if (this.#sameOutcome) this.#comparePrograms(ports, 'causes');
    if (this.#trustDomains !== undefined) this.#compareOwn(ports, this.#trustDomains);
  }

  /** Callers whose trust domain is another on either side. */
  #compareOwn(ports: Sides<PortSide>, change: TrustDomainChange): void {
    const key = { before: keyOf(ports.before, 'outcomes'), after: keyOf(ports.after, 'outcomes') };
    const programs = { before: programOf(ports.before, key.before), after: programOf(ports.after, key.after) };
    const { traffic, setup, subject = ports.before.subject ?? NOBODY } = ports.after;
    const names = `${traffic}\n${key.before}\n${key.after}`;
    const walked = this.#known(`own ${names}`, () =>
      this.#walk(
        ownPrograms(programs, change, this.#atoms, (pair) => this.#differ(pair, traffic)),
        { traffic },
      ),
    );
    const dropped = this.#known(`dropped ${names}`, () =>
      this.#walk({ before: droppedProgram(programs.before, change, this.#atoms), after: CLOSED }, { traffic }),
    );
    for (const reason of [walked, dropped]) {
      if (typeof reason === 'string') this.#undecided.add(reason, targetOf(subject, setup.port));
    }
    if (typeof walked !== 'string') {
      const found = walked.regions.map(({ region, text: { caller, ...rest } }) => {
        const text = { caller: change.caller(caller), ...rest };
        return this.#finding(ports, { region, text, walk: walked.walk, trustDomains: change });
      });
      this.#findings.push(...joinClasses(found, walked.cut));
    }
    const [lost] = typeof dropped === 'string' ? [] : dropped.regions;
    if (lost === undefined || typeof dropped === 'string' || ports.after.subject?.injected !== true) return;
    const text = { caller: `certificates of trust domain \`${change.before}\`, as issued before the change` };
    const trustDomains = { before: change.before, after: change.before };
    const finding = this.#finding(ports, { region: lost.region, text, walk: dropped.walk, trustDomains });
    const { decision } = finding.before;
    this.#findings.push({ ...finding, before: { decision, reason: 'the trust domain is accepted' } });
  }

  #differ(programs: ProgramPair, traffic: Traffic): boolean {
    const walked = walkedRegions(programs, this.#factory, { traffic, regionsMax: 1 });
    return typeof walked === 'string' || walked.regions.length > 0;
  }

  #known(key: string, walk: () => Walked | string): Walked | string {
    const walked = this.#walks.get(key) ?? walk();
    this.#walks.set(key, walked);
    return walked;
  }

  #comparePrograms(ports: Sides<PortSide>, compare: 'outcomes' | 'causes'): void {
    const key = { before: keyOf(ports.before, compare), after: keyOf(ports.after, compare) };
    if (key.before === key.after) return;
    const { traffic } = ports.after;
    const walked = this.#known(`${compare} ${traffic}\n${key.before}\n${key.after}`, () =>
      this.#walk(
        { before: programOf(ports.before, key.before), after: programOf(ports.after, key.after) },
        { traffic, compare },
      ),
    );
    if (typeof walked === 'string') {
      const { subject = ports.before.subject ?? NOBODY, setup } = ports.after;
      this.#undecided.add(walked, targetOf(subject, setup.port));
      return;
    }
    const { walk, cut } = walked;
    const found = walked.regions.map(({ region, text }) =>
      this.#finding(ports, { region, text: this.#ofOthers(text), walk }),
    );
    this.#findings.push(...joinClasses(found, cut));
  }

  #ofOthers(text: RegionText): RegionText {
    if (this.#trustDomains === undefined || this.#trustDomains.strangers.length === 0) return text;
    return { ...text, caller: this.#trustDomains.others(text['caller']) };
  }

  #walk(programs: ProgramPair, options: WalkOptions): Walked | string {
    const walked = walkedRegions(programs, this.#factory, { ...options, regionsMax: this.#regionsMax });
    this.#cut ||= typeof walked !== 'string' && walked.cut;
    return walked;
  }

  #finding(
    ports: Sides<PortSide>,
    found: {
      readonly region: Region;
      readonly text: RegionText;
      readonly walk: Walk;
      readonly trustDomains?: Sides<string>;
    },
  ): Finding {
    const { region, text, walk, trustDomains } = found;
    const { traffic, setup, declared } = ports.after;
    const subject = ports.after.subject ?? ports.before.subject ?? NOBODY;
    const to = { subject, port: setup.port, traffic, ownTrustDomain: trustDomains?.after };
    const witness = this.#witness(region, walk, to);
    const was = trustDomains === undefined ? witness : ofTrustDomain(witness, trustDomains.before);
    const decisions = { before: decisionAt(ports.before, was), after: decisionAt(ports.after, witness) };
    invariant(
      changeOf(decisions) === region.change,
      `the walk and the evaluator disagree about ${JSON.stringify(witness)}`,
    );
    return {
      kind: KINDS[region.change],
      targets: [targetOf(subject, setup.port, declared)],
      summary: formatRegion(text),
      requests: text,
      traffic,
      witness: witness.request,
      verdicts: witness.verdicts,
      ...(witness.token === undefined ? {} : { token: witness.token }),
      before: withNearest(decisions.before, decisions.after, this.#before, ports.before.selected.policies),
      after: withNearest(decisions.after, decisions.before, this.#after, ports.after.selected.policies),
    };
  }

  #witness(
    region: Region,
    walk: Walk,
    to: {
      readonly subject: Subject;
      readonly port: number;
      readonly traffic: Traffic;
      readonly ownTrustDomain: string | undefined;
    },
  ): Witness {
    const { subject, port, traffic, ownTrustDomain } = to;
    return witnessOf(region, walk, {
      destination: destinationOf(subject, port),
      traffic,
      host: hostOf(subject),
      principals: this.#principals,
      ...(ownTrustDomain === undefined ? {} : { ownTrustDomain }),
    });
  }
}

/** One port of one workload on one side. */
interface PortSide {
  readonly side: MeshSide;
  readonly subject: Subject | undefined;
  readonly selected: SelectedPolicies;
  readonly setup: PortSetup;
  readonly traffic: Traffic;
  /** Whether something declares the port, on either side. */
  readonly declared: boolean;
}

function keyOf({ side, subject, selected, setup, traffic }: PortSide, compare: 'outcomes' | 'causes'): string {
  if (subject === undefined) return 'absent';
  return subject.injected ? side.programKey(selected, setup, traffic, compare) : 'bare';
}

function programOf({ side, subject, selected, setup, traffic }: PortSide, key: string): AccessProgram {
  return bareProgram(subject) ?? side.program(key, selected, setup, traffic);
}

function decisionAt({ side, subject, setup, traffic }: PortSide, witness: Witness): SideDecision {
  return side.decide(subject, setup, traffic, witness);
}

/** The witness in the hands of a caller of the same name elsewhere. */
function ofTrustDomain({ request, ...rest }: Witness, trustDomain: string): Witness {
  const principal = `${trustDomain}/${behindTrustDomain(request.source?.principal ?? '')}`;
  return { ...rest, request: { ...request, source: { ...request.source, principal } } };
}

const KINDS: Readonly<Record<Change, FindingKind>> = {
  allowed: 'newly-allowed',
  denied: 'newly-denied',
  same: 'same-outcome',
};

/** As the evaluator sees it; nothing where the same policy decides the same. */
function changeOf({ before, after }: Sides<SideDecision>): Change | undefined {
  if (before.decision !== after.decision) return after.decision === 'allow' ? 'allowed' : 'denied';
  const [one, other] = [before, after].map(({ by, reason }) => (by === undefined ? reason : causeOf(by)));
  return one === other ? undefined : 'same';
}

const NONE: SelectedPolicies = { policies: [], key: '', portsNamed: new Set() };
const NOBODY: Subject = { namespace: '', name: '', labels: {}, injected: false, ports: [], serviceAccount: '' };

/** Declared ports first: they make the better witness. */
function rankPort(port: number, declared: boolean): number {
  if (port === OTHER_PORT) return Number.MAX_SAFE_INTEGER;
  return declared ? port : port + PORTS_MAX;
}

const PORTS_MAX = 65_536;
