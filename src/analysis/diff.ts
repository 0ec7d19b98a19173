/**
 * The exact semantic difference of two configurations: which requests get a different answer, as classes with a
 * witness each, and which decision was made by what on either side.
 *
 * Exact: the walk enumerates the finite classes of every attribute instead of sampling requests; see
 * `docs/guide/policy-diff.md` for the argument and for what lies outside the model. Every witness is decided again by
 * `src/policy`; a disagreement is a bug and thrown.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { invariant } from '../core/invariant.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { PathNormalization } from '../istio/mesh-settings.ts';
import type { ProtocolClass } from '../policy/inbound-ports.ts';
import type { EffectiveMtlsMode } from '../policy/peer-authentication.ts';
import type { AccessProgram, PortSetup, Traffic } from './access-program.ts';
import { AtomTable } from './atom.ts';
import type { Finding, FindingTarget } from './finding.ts';
import { joinClasses, mergeFindings } from './finding-merge.ts';
import { hypotheticalSubjects, undeclaredSubjects } from './hypothetical-subjects.ts';
import { walkJointly, type Walk } from './joint-walk.ts';
import { LevelFactory } from './level.ts';
import {
  bareProgram,
  MeshSide,
  OTHER_PORT,
  type SelectedPolicies,
  type SideDecision,
  type Subject,
} from './mesh-side.ts';
import { modelNotes } from './model-notes.ts';
import { reachabilityFindings } from './reachability.ts';
import { describeRegion, formatRegion, regionsOf, type Region, type RegionText } from './region.ts';
import { changesNotCompared, UndecidedList, type Undecided } from './undecided.ts';
import { witnessOf, type Witness } from './witness.ts';

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
  /** Only these servers are compared, `namespace/workload`. @defaultValue all, and those that only selectors name */
  readonly workloads?: ReadonlySet<string>;
}

const REGIONS_MAX = 200;
const PRINCIPALS_MAX = 16;

/** Which requests `after` answers differently from `before`. */
export function diff(before: MeshConfig, after: MeshConfig, options: DiffOptions = {}): PolicyDiff {
  return new Comparison(before, after, options).run();
}

interface Pair {
  readonly name: string;
  readonly before: Subject | undefined;
  readonly after: Subject | undefined;
}

interface Sides<T> {
  readonly before: T;
  readonly after: T;
}

interface Walked {
  readonly walk: Walk;
  /** More classes than are listed. */
  readonly cut: boolean;
  readonly regions: readonly { readonly region: Region; readonly text: RegionText }[];
}

interface PortPair {
  readonly port: number;
  readonly before: ProtocolClass;
  readonly after: ProtocolClass;
}

const TRAFFICS: readonly Traffic[] = ['http', 'tcp'];

class Comparison {
  readonly #before: MeshSide;
  readonly #after: MeshSide;
  readonly #factory: LevelFactory;
  readonly #normalization: PathNormalization;
  readonly #regionsMax: number;
  readonly #walks = new Map<string, Walked | string>();
  readonly #undecided = new UndecidedList();
  readonly #principals: readonly string[];
  readonly #workloads: ReadonlySet<string> | undefined;
  readonly #findings: Finding[] = [];
  #cut = false;

  constructor(before: MeshConfig, after: MeshConfig, options: DiffOptions) {
    const atoms = new AtomTable();
    const keys = new Map<string, number>();
    this.#before = new MeshSide(before, atoms, keys);
    this.#after = new MeshSide(after, atoms, keys);
    const foreign = before.settings.caTrustDomains.length + after.settings.caTrustDomains.length > 0;
    this.#normalization = stricter(before.settings.pathNormalization, after.settings.pathNormalization);
    const identities = options.identities ?? (foreign ? 'spiffe' : 'istio');
    this.#factory = new LevelFactory({ pathNormalization: this.#normalization, identities });
    this.#regionsMax = options.regionsMax ?? REGIONS_MAX;
    this.#principals = principalsOf(after).slice(0, PRINCIPALS_MAX);
    this.#workloads = options.workloads;
  }

  run(): PolicyDiff {
    const pairs = this.#pairs();
    for (const pair of pairs) this.#compare(pair);
    if (this.#workloads === undefined && pairs.some(({ before, after }) => (before ?? after)?.declared !== undefined)) {
      for (const subject of undeclaredSubjects(this.#before, this.#after)) {
        this.#compare({ name: subject.name, before: subject, after: subject });
      }
    }
    this.#findings.push(...reachabilityFindings(this.#before, this.#after, this.#workloads));
    let states = 0;
    let walks = 0;
    for (const walked of this.#walks.values()) {
      walks++;
      if (typeof walked !== 'string') states += walked.walk.states;
    }
    return {
      findings: mergeFindings(this.#findings),
      undecided: this.#undecided.with(changesNotCompared(this.#before.config, this.#after.config)),
      notes: modelNotes(this.#before.config, this.#after.config, {
        cut: this.#cut ? this.#regionsMax : undefined,
        narrowed: this.#factory.narrowed,
        hypothetical: pairs.some(({ before, after }) => (before ?? after)?.declared === undefined),
      }),
      statistics: { workloads: pairs.length, walks, states },
    };
  }

  #pairs(): readonly Pair[] {
    const all = [...new Set([...this.#before.names, ...this.#after.names])].sort();
    const names = this.#workloads === undefined ? all : all.filter((name) => this.#workloads?.has(name));
    if (all.length === 0) {
      return hypotheticalSubjects([this.#before.config, this.#after.config]).map((subject) => ({
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
      this.#compareModes(pair, port);
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
    return [...numbers]
      .sort((a, b) => rankPort(a) - rankPort(b))
      .map((port) => ({
        port,
        before: sides.before?.get(port) ?? 'unknown',
        after: sides.after?.get(port) ?? 'unknown',
      }));
  }

  #comparePort({ before, after }: Pair, selected: Sides<SelectedPolicies>, port: PortPair, traffic: Traffic): void {
    const setups = {
      before: this.#before.setup(before ?? NOBODY, port.port, port.before),
      after: this.#after.setup(after ?? NOBODY, port.port, port.after),
    };
    const bare = { before: bareProgram(before), after: bareProgram(after) };
    const key = {
      before:
        bare.before === undefined ? this.#before.programKey(selected.before, setups.before, traffic) : bareKey(before),
      after: bare.after === undefined ? this.#after.programKey(selected.after, setups.after, traffic) : bareKey(after),
    };
    if (key.before === key.after) return;
    const both = `${traffic}\n${key.before}\n${key.after}`;
    let walked = this.#walks.get(both);
    if (walked === undefined) {
      walked = this.#walk(
        traffic,
        bare.before ?? this.#before.program(key.before, selected.before, setups.before, traffic),
        bare.after ?? this.#after.program(key.after, selected.after, setups.after, traffic),
      );
      this.#walks.set(both, walked);
    }
    if (typeof walked === 'string') {
      this.#undecided.add(walked, targetOf(after ?? before ?? NOBODY, port.port));
      return;
    }
    const { walk } = walked;
    const found = walked.regions.map(({ region, text }) =>
      this.#finding({ before, after }, { region, text, traffic, walk }, setups),
    );
    this.#findings.push(...joinClasses(found, walked.cut));
  }

  /** The walk, or why there is none. */
  #walk(traffic: Traffic, before: AccessProgram, after: AccessProgram): Walked | string {
    let walk: Walk;
    try {
      walk = walkJointly(before, after, this.#factory, traffic);
    } catch (error) {
      if (error instanceof MeshError && error.code === 'ERR_ANALYSIS_LIMIT') return error.message;
      throw error;
    }
    const { regions, cut } = regionsOf(walk, this.#regionsMax);
    this.#cut ||= cut;
    return { walk, cut, regions: regions.map((region) => ({ region, text: describeRegion(region) })) };
  }

  #finding(
    { before, after }: Omit<Pair, 'name'>,
    found: {
      readonly region: Region;
      readonly text: RegionText;
      readonly traffic: Traffic;
      readonly walk: Walk;
    },
    setups: Sides<PortSetup>,
  ): Finding {
    const { region, text, traffic, walk } = found;
    const witness = this.#witness(region, walk.levels, {
      subject: after ?? before ?? NOBODY,
      port: setups.after.port,
      traffic,
    });
    const decisions = {
      before: this.#before.decide(before, setups.before, traffic, witness),
      after: this.#after.decide(after, setups.after, traffic, witness),
    };
    invariant(
      decisions.before.decision !== decisions.after.decision &&
        (decisions.after.decision === 'allow') === (region.change === 'allowed'),
      `the walk and the evaluator disagree about ${JSON.stringify(witness)}`,
    );
    return {
      kind: region.change === 'allowed' ? 'newly-allowed' : 'newly-denied',
      targets: [targetOf(after ?? before ?? NOBODY, setups.after.port)],
      summary: formatRegion(text),
      requests: text,
      traffic,
      witness: witness.request,
      verdicts: witness.verdicts,
      ...decisions,
    };
  }

  #witness(
    region: Region,
    levels: Walk['levels'],
    to: { readonly subject: Subject; readonly port: number; readonly traffic: Traffic },
  ): Witness {
    const { subject, port, traffic } = to;
    const { namespace, name, labels } = subject;
    const number = port === OTHER_PORT ? unusedPort(subject) : port;
    return witnessOf(region, levels, {
      destination:
        subject.declared === undefined
          ? { namespace, labels, port: number }
          : { namespace, workload: name, port: number },
      traffic,
      pathNormalization: this.#normalization,
      host: subject.declared === undefined ? namespace : name,
      principals: this.#principals,
    });
  }

  #compareModes({ before, after }: Pair, { port }: PortPair): void {
    if (before === undefined || after === undefined) return;
    const number = port === OTHER_PORT ? undefined : port;
    const modes = { before: modeOf(this.#before, before, number), after: modeOf(this.#after, after, number) };
    if (modes.before === modes.after) return;
    const kind = STRENGTH[modes.after] < STRENGTH[modes.before] ? 'mtls-weakened' : 'mtls-strengthened';
    const { namespace, name, labels } = after;
    const witness: Witness = {
      request: {
        destination: {
          namespace,
          ...(after.declared === undefined ? { labels } : { workload: name }),
          port: port === OTHER_PORT ? unusedPort(after) : port,
        },
        source: {},
        request: { method: 'GET', host: after.declared === undefined ? namespace : name, path: '/' },
      },
      verdicts: {},
    };
    const decide = (side: MeshSide, subject: Subject): SideDecision => {
      const protocol = side.ports(subject).get(port) ?? 'unknown';
      return side.decide(subject, side.setup(subject, port, protocol), 'http', witness);
    };
    this.#findings.push({
      kind,
      targets: [targetOf(after, port)],
      summary: `mutual TLS ${modes.before} becomes ${modes.after}`,
      requests: { caller: 'plaintext callers' },
      traffic: 'http',
      witness: witness.request,
      verdicts: {},
      before: decide(this.#before, before),
      after: decide(this.#after, after),
    });
  }
}

const NONE: SelectedPolicies = { policies: [], key: '', portsNamed: new Set() };
/** A server without a sidecar ends no mutual TLS at all. */
type ServerMode = EffectiveMtlsMode | 'impossible (no sidecar)';

const STRENGTH: Readonly<Record<ServerMode, number>> = {
  'impossible (no sidecar)': -1,
  DISABLE: 0,
  PERMISSIVE: 1,
  STRICT: 2,
};

function modeOf(side: MeshSide, subject: Subject, port: number | undefined): ServerMode {
  return subject.injected ? side.peers.of(subject, port).mode : 'impossible (no sidecar)';
}

const NOBODY: Subject = { namespace: '', name: '', labels: {}, injected: false, ports: [], serviceAccount: '' };

function bareKey(subject: Subject | undefined): string {
  return subject === undefined ? 'closed' : 'open';
}

function targetOf({ namespace, name, declared }: Subject, port: number): FindingTarget {
  const otherPorts = port === OTHER_PORT;
  return {
    namespace,
    workload: name,
    ports: otherPorts ? [] : [port],
    otherPorts,
    hypothetical: declared === undefined,
  };
}

/** Declared ports first: they make the better witness. */
function rankPort(port: number): number {
  return port === OTHER_PORT ? Number.MAX_SAFE_INTEGER : port;
}

const FIRST_UNUSED = 1;

function unusedPort({ ports }: Subject): number {
  let port = FIRST_UNUSED;
  while (ports.some(({ number }) => number === port)) port++;
  return port;
}

function principalsOf({ settings, workloads }: MeshConfig): readonly string[] {
  return [
    ...new Set(
      workloads.map(({ namespace, serviceAccount }) => `${settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`),
    ),
  ];
}

const NORMALIZATIONS: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];

function stricter(a: PathNormalization, b: PathNormalization): PathNormalization {
  return NORMALIZATIONS.indexOf(a) < NORMALIZATIONS.indexOf(b) ? b : a;
}
