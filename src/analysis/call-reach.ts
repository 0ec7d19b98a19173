/**
 * Calls that start or stop arriving, and calls that arrive with another protection: collected one by one, told together.
 * @module
 */
import { callersText, type Caller } from './caller-groups.ts';
import type { Arrival, CallSide } from './call-arrival.ts';
import type { Finding, FindingKind } from './finding.ts';
import { CLASSES_MAX } from './finding-merge.ts';
import { destinationOf, targetOf } from './finding-target.ts';
import type { FixedCaller } from './fixed-caller.ts';
import type { Subject } from './mesh-side.ts';
import type { Sides } from './sides.ts';
import type { Traffic } from './access-program.ts';
import type { Witness } from './witness.ts';

/** What some callers meet who say one name. */
export interface ReachedCall {
  readonly host: string;
  /** Of the service. */
  readonly port: number;
  readonly traffic: Traffic;
  readonly subject: Subject;
  readonly server: { readonly port: number };
  readonly members: readonly Caller[];
  readonly arrivals: Sides<Arrival>;
}

export interface ReachChange extends ReachedCall {
  /** Where the call arrives. */
  readonly at: 'before' | 'after';
  /** A call that the server lets in there. */
  readonly shown: { readonly witness: Witness; readonly fixed: FixedCaller; readonly caller: Caller };
}

interface Entry {
  readonly kind: FindingKind;
  readonly call: ReachedCall;
  readonly members: Caller[];
  readonly witness: Witness['request'];
  readonly verdicts: Witness['verdicts'];
  readonly token?: Witness['token'];
  readonly caller: Caller;
  readonly as: { readonly before?: string; readonly after?: string };
}

export class ReachList {
  readonly #sides: Sides<CallSide>;
  readonly #all: readonly Caller[];
  readonly #entries = new Map<string, Entry>();

  /** @param all every caller there is, for the sake of words */
  constructor(sides: Sides<CallSide>, all: readonly Caller[]) {
    this.#sides = sides;
    this.#all = all;
  }

  /** Calls that arrive on one side only. */
  change({ at, shown, ...call }: ReachChange): void {
    const { witness, fixed, caller } = shown;
    const { principal } = fixed;
    this.#enter({
      kind: at === 'after' ? 'now-reachable' : 'now-unreachable',
      call,
      members: [],
      witness: {
        ...witness.request,
        source: { ...witness.request.source, ...(principal === undefined ? {} : { principal }) },
      },
      verdicts: witness.verdicts,
      ...(witness.token === undefined ? {} : { token: witness.token }),
      caller,
      as: principal === undefined ? {} : { [at]: principal },
    });
  }

  /** Calls that arrive on both sides, once over mutual TLS of the mesh and once not. */
  protection(call: ReachedCall): void {
    const [caller] = call.members;
    const { before, after } = call.arrivals;
    if (caller === undefined || before.seen === undefined || after.seen === undefined) return;
    const was = this.#sides.before.fixed(caller.was, before.seen).principal;
    const is = this.#sides.after.fixed(caller.workload, after.seen).principal;
    const principal = is ?? was;
    this.#enter({
      kind: after.mutual ? 'mtls-strengthened' : 'mtls-weakened',
      call,
      members: [],
      witness: {
        destination: destinationOf(call.subject, call.server.port),
        source: principal === undefined ? {} : { principal },
        request: { method: 'GET', host: `${call.host}:${call.port}`, path: '/' },
      },
      verdicts: {},
      caller,
      as: { ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) },
    });
  }

  #enter(entry: Entry): void {
    const { kind, call } = entry;
    const { host, port, traffic, subject, server, arrivals } = call;
    const place = `${host}:${port} ${traffic} ${subject.namespace}/${subject.name}:${server.port}`;
    const key = [kind, place, arrivals.before.reason, arrivals.after.reason].join('\n');
    const known = this.#entries.get(key) ?? entry;
    known.members.push(...call.members);
    this.#entries.set(key, known);
  }

  /** The same callers, the same reasons: one finding, whatever ports and servers. */
  findings(): readonly Finding[] {
    const groups = new Map<string, [Entry, ...Entry[]]>();
    for (const entry of this.#entries.values()) {
      const { kind, call, members } = entry;
      const { before, after } = call.arrivals;
      const named = isAboutNames(call) ? call.host : '';
      const reasons = isAboutNames(call) ? [before.routed, after.routed] : [before.reason, after.reason];
      const key = [kind, named, ...reasons, members.map(({ name }) => name).join()].join('\n');
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [entry]);
      else group.push(entry);
    }
    const found = [...groups.values()].map((group) => this.#finding(group));
    const alike = new Map<string, Finding[]>();
    for (const finding of found) {
      const { kind, requests, before, after } = finding;
      const key = [kind, requests['name'] ?? '', before.reason, after.reason].join('\n');
      const list = alike.get(key);
      if (list === undefined) alike.set(key, [finding]);
      else list.push(finding);
    }
    return [...alike.values()].flatMap((list) => (list.length > CLASSES_MAX ? joined(list) : list));
  }

  #finding(group: readonly [Entry, ...Entry[]]): Finding {
    const { kind, call, members, witness, verdicts, token, caller, as } = group[0];
    const ports = [...new Set(group.map(({ call: { port } }) => port))].sort((a, b) => a - b);
    const to = isAboutNames(call) ? ` to \`${call.host}:${ports.join()}\`` : '';
    const who = callersText(members, this.#all);
    const traffics = new Set(group.map(({ call: { traffic } }) => traffic));
    return {
      kind,
      targets: group.map((entry) => targetOf(entry.call.subject, entry.call.server.port)),
      summary: `calls${to} by ${who}`,
      requests: { caller: who, ...(to === '' ? {} : { name: `\`${call.host}:${ports.join()}\`` }) },
      traffic: traffics.size > 1 ? 'any' : call.traffic,
      witness,
      verdicts,
      ...(token === undefined ? {} : { token }),
      calls: {
        from: [caller.name, ...members.map(({ name }) => name).filter((name) => name !== caller.name)],
        to: `${call.host}:${call.port}`,
        as,
      },
      before: this.#sides.before.transport(call.arrivals.before),
      after: this.#sides.after.transport(call.arrivals.after),
    };
  }
}

/** The same reasons at many servers, for other callers at each: one finding, with the callers of each server in words. */
function joined(list: readonly Finding[]): readonly Finding[] {
  const [first] = list;
  if (first?.calls === undefined) return list;
  const from = [...new Set(list.flatMap(({ calls }) => calls?.from ?? []))];
  const who = `${from.length} workloads, each to those of the servers that let it in`;
  return [
    {
      ...first,
      targets: list.flatMap(({ targets }) => targets),
      summary: `calls by ${who}`,
      requests: { caller: who },
      classes: list.map(({ summary, targets }) => {
        const servers = targets.map(({ namespace, workload, ports }) => `${namespace}/${workload}:${ports.join()}`);
        return `${summary} to ${[...new Set(servers)].join(', ')}`;
      }),
      traffic: list.every(({ traffic }) => traffic === first.traffic) ? first.traffic : 'any',
      calls: { ...first.calls, from },
    },
  ];
}

/** A name that leads to the server on one side only: not a matter of TLS. */
function isAboutNames({ arrivals: { before, after } }: ReachedCall): boolean {
  return before.routed !== after.routed;
}
