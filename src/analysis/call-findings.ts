/**
 * What a change does to the calls of declared workloads: names that no longer lead to a server, or now do; client TLS
 * that no longer fits, or now does; and callers that are somebody else to the server than before.
 *
 * Every workload that both sides declare, every port of every service and every server behind it are taken together, once
 * for requests and once for bytes. A call is followed on both sides: as far as it goes, and, where it arrives, into the
 * server's access program with the caller's own identity put in. What both sides' servers do with one and the same
 * caller is not told again: that is what the comparison of the servers themselves says.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { CLOSED, type Traffic } from './access-program.ts';
import { CallSide, type Arrival, type Place, type Seen } from './call-arrival.ts';
import { ReachList } from './call-reach.ts';
import { callerGroups, callersOf, callersText, type Caller, type CallerGroup } from './caller-groups.ts';
import type { Finding } from './finding.ts';
import { joinClasses } from './finding-merge.ts';
import { destinationOf, targetOf } from './finding-target.ts';
import { answersOf, forCaller, type FixedCaller } from './fixed-caller.ts';
import type { LevelFactory } from './level.ts';
import type { MeshSide, Subject } from './mesh-side.ts';
import { formatRegion } from './region.ts';
import { falseAlone, type Sides } from './sides.ts';
import type { UndecidedList } from './undecided.ts';
import { walkedRegions, type ProgramPair, type Walked } from './walked-regions.ts';
import { witnessOf, type Witness } from './witness.ts';

export interface CallComparisonOptions {
  readonly before: MeshSide;
  readonly after: MeshSide;
  readonly factory: LevelFactory;
  readonly regionsMax: number;
  readonly undecided: UndecidedList;
  /** `namespace/workload`; all where absent. */
  readonly servers: ReadonlySet<string> | undefined;
  /** Trust domains whose callers the comparison of servers leaves out. */
  readonly strangers: readonly string[];
}

export interface CallFindings {
  readonly findings: readonly Finding[];
  /** More classes than are listed. */
  readonly cut: boolean;
}

export function callFindings(options: CallComparisonOptions): CallFindings {
  if (callsText(options.before.config) === callsText(options.after.config)) return { findings: [], cut: false };
  return new CallComparison(options).run();
}

/** The configuration's part that decides how calls leave, where they go and as whom. */
function callsText(config: MeshConfig): string {
  const { destinationRules, peerAuthentications, serviceEntries, workloadEntries, sidecars, settings } = config;
  const resources = [destinationRules, peerAuthentications, serviceEntries, workloadEntries, sidecars];
  return JSON.stringify([
    resources.map((list) =>
      list.map(({ metadata: { namespace, name, labels, creationTimestamp }, spec }) => [
        [namespace, name, labels, creationTimestamp],
        spec,
      ]),
    ),
    config.services.map(({ host, headless, type, selector, ports, metadata }) => [
      [host, headless, type, selector, ports],
      [metadata.annotations, metadata.creationTimestamp],
    ]),
    config.workloads.map(({ namespace, name, labels, annotations, serviceAccount, injected, replicas, ports }) => [
      [namespace, name, labels, annotations],
      [serviceAccount, injected, replicas, ports],
    ]),
    [settings.enableAutoMtls, settings.trustDomain, settings.trustDomainAliases, settings.rootNamespace],
    [settings.defaultDestinationRuleExportTo, settings.clusterDomain, settings.outboundTrafficPolicy],
  ]);
}

/** A name and a port, who calls it, and what they say. */
interface Call {
  readonly host: string;
  readonly port: number;
  readonly group: CallerGroup;
  readonly traffic: Traffic;
  readonly server: Server;
}

/** A port of a workload. */
interface Server {
  /** `namespace/workload` */
  readonly name: string;
  readonly port: number;
}

/** Callers that the programs of both sides take for the same. */
interface CallerClass {
  readonly members: readonly Caller[];
  readonly fixed: Sides<FixedCaller>;
  readonly answers: Sides<string>;
}

/** Who calls is fixed. */
const NOBODY_KNOWN = { all: new Set<string>(), few: [] };

const TRAFFICS: readonly Traffic[] = ['http', 'tcp'];

class CallComparison {
  readonly #options: CallComparisonOptions;
  readonly #sides: Sides<CallSide>;
  readonly #callers: readonly Caller[];
  readonly #groups: readonly CallerGroup[];
  readonly #walks = new Map<string, Walked | string>();
  readonly #told = new Set<string>();
  readonly #reach: ReachList;
  readonly #findings: Finding[] = [];
  #cut = false;

  constructor(options: CallComparisonOptions) {
    this.#options = options;
    const { before, after } = options;
    this.#sides = { before: new CallSide(before), after: new CallSide(after) };
    this.#callers = callersOf(before.config, after.config);
    const [one, two] = [before, after].map(({ config }, i) => ({
      config,
      registry: (i === 0 ? this.#sides.before : this.#sides.after).router.mesh.registry,
    }));
    invariant(one !== undefined && two !== undefined, 'there are two sides');
    this.#groups = callerGroups(this.#callers, one, two);
    this.#reach = new ReachList(this.#sides, this.#callers);
  }

  run(): CallFindings {
    const { before, after } = this.#sides;
    const [there, here] = [before.router.names, after.router.names];
    for (const host of new Set([...there.keys(), ...here.keys()])) {
      for (const port of new Set([...(there.get(host) ?? []), ...(here.get(host) ?? [])])) {
        for (const group of this.#groups) this.#follow(host, port, group);
      }
    }
    return { findings: [...this.#findings, ...this.#reach.findings()], cut: this.#cut };
  }

  #follow(host: string, port: number, group: CallerGroup): void {
    const { namespace } = group.first.workload;
    const { servers } = this.#options;
    const routes = {
      before: this.#sides.before.router.routes(host, port, namespace),
      after: this.#sides.after.router.routes(host, port, namespace),
    };
    for (const key of new Set([...routes.before.targets.keys(), ...routes.after.targets.keys()])) {
      const server = serverOf(key);
      if (servers?.has(server.name) === false) continue;
      for (const traffic of TRAFFICS) {
        const arrivals = {
          before: this.#sides.before.arrival(group.first.was, routes.before, key, traffic),
          after: this.#sides.after.arrival(group.first.workload, routes.after, key, traffic),
        };
        this.#compare({ host, port, group, traffic, server }, arrivals);
      }
    }
  }

  #compare(call: Call, arrivals: Sides<Arrival>): void {
    const { name, port } = call.server;
    const subjects = { before: this.#options.before.subject(name), after: this.#options.after.subject(name) };
    // A server that comes or goes is a finding of its own.
    if (subjects.before === undefined || subjects.after === undefined) return;
    const takesEveryPath = (at: 'before' | 'after'): boolean | undefined => {
      const { seen } = arrivals[at];
      return seen && this.#options[at].takesEveryPath(subjects[at], seen.protocol, call.traffic);
    };
    const refuses = falseAlone({ before: takesEveryPath('before'), after: takesEveryPath('after') });
    const placeOf = (at: 'before' | 'after', subject: Subject): Place | undefined => {
      const { seen } = arrivals[at];
      return seen === undefined ? undefined : this.#sides[at].place(subject, { port, refusesPaths: refuses[at] }, seen);
    };
    const places = { before: placeOf('before', subjects.before), after: placeOf('after', subjects.after) };
    if (places.before !== undefined && places.after !== undefined) {
      const { before, after } = arrivals;
      if (before.seen === undefined || after.seen === undefined) return;
      this.#bothArrive(
        call,
        { before: before.seen, after: after.seen },
        { before: places.before, after: places.after },
      );
      // Where the server's own sidecar comes or goes, that is said of the server.
      if (before.mutual !== after.mutual && subjects.before.injected === subjects.after.injected) {
        this.#reach.protection({ ...call, subject: subjects.after, members: call.group.members, arrivals });
      }
      return;
    }
    const at = places.before === undefined ? 'after' : 'before';
    const [place, other] = [places[at], at === 'after' ? 'before' : 'after'] as const;
    const seen = arrivals[at].seen;
    if (place === undefined || seen === undefined || this.#isServersDoing(call, arrivals, other)) return;
    this.#oneArrives(call, arrivals, { side: at, place, seen });
  }

  /**
   * Whether the server alone refuses, callers without a sidecar on either side or bytes that it cannot read whoever sends
   * them: the comparison of servers tells that of all callers.
   */
  #isServersDoing(
    { group, server, traffic }: Call,
    { before, after }: Sides<Arrival>,
    at: 'before' | 'after',
  ): boolean {
    if (!before.routed || !after.routed) return false;
    const subject = this.#options[at].subject(server.name);
    if (group.bare || subject === undefined) return group.bare;
    return subject.injected && this.#sides[at].usualProtocol(subject, server.port, traffic) === undefined;
  }

  /** Those of the group whose calls the server lets in where they arrive: for the others nothing changes. */
  #oneArrives(
    call: Call,
    arrivals: Sides<Arrival>,
    at: { readonly side: 'before' | 'after'; readonly place: Place; readonly seen: Seen },
  ): void {
    const { side, place, seen } = at;
    const here = this.#sides[side];
    const classes = new Map<string, { readonly members: Caller[]; readonly fixed: FixedCaller }>();
    for (const member of call.group.members) {
      const fixed = here.fixed(side === 'before' ? member.was : member.workload, seen);
      const answers = answersOf(place.atoms, fixed);
      const known = classes.get(answers);
      if (known === undefined) classes.set(answers, { members: [member], fixed });
      else known.members.push(member);
    }
    const members: Caller[] = [];
    let shown: { readonly witness: Witness; readonly fixed: FixedCaller; readonly caller: Caller } | undefined;
    for (const [answers, { members: alike, fixed }] of classes) {
      const key = `${side} ${call.traffic} ${place.key}\n${answers}`;
      const walked = this.#walked(key, { before: CLOSED, after: forCaller(place.program, fixed) }, call, 1);
      const [found] = walked?.regions ?? [];
      const [caller] = alike;
      if (walked === undefined || found === undefined || caller === undefined) continue;
      members.push(...alike);
      if (shown !== undefined) continue;
      const witness = this.#witness(found.region, walked, call, place);
      invariant(here.decide(place, witness, fixed).decision === 'allow', 'the walk and the evaluator disagree');
      shown = { witness, fixed, caller };
    }
    if (shown === undefined) return;
    const ordered = members.length === call.group.members.length ? call.group.members : members;
    this.#reach.change({ ...call, subject: place.subject, members: ordered, arrivals, at: side, shown });
  }

  /** Callers that are not to the server what they were. */
  #bothArrive(call: Call, seen: Sides<Seen>, places: Sides<Place>): void {
    const { group, traffic, server } = call;
    // Whether the comparison of servers has looked at what their filters read here, as requests or as bytes.
    const isCompared = (as: Traffic): boolean =>
      (['before', 'after'] as const).every((at) => {
        const { subject, protocol } = places[at];
        return !subject.injected || protocol === this.#sides[at].usualProtocol(subject, server.port, as);
      });
    const same = seen.before.sni === seen.after.sni && (isCompared(traffic) || isCompared('tcp'));
    const identified = seen.before.identified && seen.after.identified;
    const who = identified ? group.renamed : seen.before.identified === seen.after.identified ? [] : group.members;
    for (const each of this.#classes(same ? who : group.members, seen, places)) {
      this.#compareClass(call, each, { seen, places, same });
    }
  }

  #classes(members: readonly Caller[], seen: Sides<Seen>, places: Sides<Place>): readonly CallerClass[] {
    const classes = new Map<string, CallerClass & { readonly members: Caller[] }>();
    for (const member of members) {
      const fixed = {
        before: this.#sides.before.fixed(member.was, seen.before),
        after: this.#sides.after.fixed(member.workload, seen.after),
      };
      const answers = {
        before: answersOf(places.before.atoms, fixed.before),
        after: answersOf(places.after.atoms, fixed.after),
      };
      const key = `${answers.before} ${answers.after}`;
      const known = classes.get(key);
      if (known === undefined) classes.set(key, { members: [member], fixed, answers });
      else known.members.push(member);
    }
    return [...classes.values()];
  }

  #compareClass(
    call: Call,
    { members, fixed, answers }: CallerClass,
    at: { readonly seen: Sides<Seen>; readonly places: Sides<Place>; readonly same: boolean },
  ): void {
    const { places, same } = at;
    const key = `both ${call.traffic}\n${places.before.key}\n${answers.before}\n${places.after.key}\n${answers.after}`;
    const walked = this.#walked(
      key,
      {
        before: forCaller(places.before.program, fixed.before),
        after: forCaller(places.after.program, fixed.after),
      },
      call,
    );
    const [caller] = members;
    if (walked === undefined || walked.regions.length === 0 || caller === undefined) return;
    // The same callers may reach a server by several names.
    const { name, port } = call.server;
    const told = `${key}\n${name}:${port} ${members.map((member) => member.name).join()}`;
    if (this.#told.has(told) || (same && !this.#tellApart(places, fixed))) return;
    this.#told.add(told);
    const who = `calls by ${callersText(members, this.#callers)}${changeText(members.length, fixed, at)}`;
    const found = walked.regions.map(({ region, text }) => {
      const witness = this.#witness(region, walked, call, places.after);
      const decisions = {
        before: this.#sides.before.decide(places.before, witness, fixed.before),
        after: this.#sides.after.decide(places.after, witness, fixed.after),
      };
      const allowed = decisions.after.decision === 'allow';
      invariant(
        decisions.before.decision !== decisions.after.decision && allowed === (region.change === 'allowed'),
        `the walk and the evaluator disagree about ${JSON.stringify(witness)}`,
      );
      const requests = { caller: who, ...text };
      return {
        kind: allowed ? 'newly-allowed' : 'newly-denied',
        targets: [targetOf(places.after.subject, port)],
        summary: formatRegion(requests),
        requests,
        traffic: call.traffic,
        witness: withCaller(witness, fixed.after),
        verdicts: witness.verdicts,
        ...(witness.token === undefined ? {} : { token: witness.token }),
        calls: { from: members.map((member) => member.name), to: `${call.host}:${call.port}`, as: identities(fixed) },
        ...decisions,
      } satisfies Finding;
    });
    this.#findings.push(...joinClasses(found, walked.cut));
    this.#cut ||= walked.cut;
  }

  /**
   * Whether both sides tell the two identities apart. Where one does not, what changes for the caller changes for one of
   * the two identities on its own, and the comparison of the servers says so.
   */
  #tellApart({ before, after }: Sides<Place>, fixed: Sides<FixedCaller>): boolean {
    const isCompared = ({ principal = '' }: FixedCaller): boolean =>
      !this.#options.strangers.some((domain) => principal.startsWith(`${domain}/`));
    const differs = ({ program, protocol }: Place): boolean => {
      const programs = { before: forCaller(program, fixed.before), after: forCaller(program, fixed.after) };
      const walked = walkedRegions(programs, this.#options.factory, { traffic: protocol, regionsMax: 1 });
      return typeof walked === 'string' || walked.regions.length > 0;
    };
    return (differs(before) || !isCompared(fixed.after)) && (differs(after) || !isCompared(fixed.before));
  }

  #walked(key: string, programs: ProgramPair, call: Call, regionsMax = this.#options.regionsMax): Walked | undefined {
    const { factory, undecided } = this.#options;
    const walked = this.#walks.get(key) ?? walkedRegions(programs, factory, { traffic: call.traffic, regionsMax });
    this.#walks.set(key, walked);
    if (typeof walked !== 'string') return walked;
    const subject = this.#options.after.subject(call.server.name);
    if (subject !== undefined)
      undecided.add(`calls of declared workloads: ${walked}`, targetOf(subject, call.server.port));
    return undefined;
  }

  #witness(region: Walked['regions'][number]['region'], { walk }: Walked, call: Call, place: Place): Witness {
    return witnessOf(region, walk, {
      destination: destinationOf(place.subject, place.setup.port),
      traffic: call.traffic,
      host: `${call.host}:${call.port}`,
      principals: NOBODY_KNOWN,
    });
  }
}

function serverOf(key: string): Server {
  const colon = key.lastIndexOf(':');
  return { name: key.slice(0, colon), port: Number(key.slice(colon + 1)) };
}

function withCaller({ request }: Witness, { principal, sni }: FixedCaller): Witness['request'] {
  return {
    ...request,
    source: { ...request.source, ...(principal === undefined ? {} : { principal }) },
    ...(sni === undefined || request.request !== undefined ? {} : { connection: { sni } }),
  };
}

function identities({ before, after }: Sides<FixedCaller>): { readonly before?: string; readonly after?: string } {
  return {
    ...(before.principal === undefined ? {} : { before: before.principal }),
    ...(after.principal === undefined ? {} : { after: after.principal }),
  };
}

const PROTOCOLS: Readonly<Record<Traffic, string>> = { http: 'HTTP', tcp: 'bytes' };

/** What is new about the calls, for people. */
function changeText(
  count: number,
  fixed: Sides<FixedCaller>,
  { seen }: { readonly seen: Sides<Seen>; readonly same: boolean },
): string {
  const { before, after } = fixed;
  const parts: string[] = [];
  const change = (was: string, is: string): void => {
    if (was !== is) parts.push(`${was} before and ${is} after`);
  };
  const name = ({ principal }: FixedCaller): string =>
    principal === undefined ? 'without identity' : `as \`${principal}\``;
  change(name(before), name(after));
  if (count > 1 && parts.length > 0) parts.unshift('such as the first');
  change(`read as ${PROTOCOLS[seen.before.protocol]}`, `read as ${PROTOCOLS[seen.after.protocol]}`);
  const named = seen.before.identified === seen.after.identified && before.sni !== after.sni;
  if (named) change(`with server name \`${before.sni ?? ''}\``, `with \`${after.sni ?? ''}\``);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
