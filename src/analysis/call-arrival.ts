/**
 * How a call of a declared workload arrives at a server on one side, and what the server's policies make of it there.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { Workload } from '../istio/kubernetes.ts';
import { compileMesh } from '../policy/compile-mesh.ts';
import { AccessCompiler, type AccessProgram, type PortSetup, type Traffic } from './access-program.ts';
import type { Atom } from './atom.ts';
import { CallRouter, type Routes } from './call-routes.ts';
import { callPassage } from './call-transport.ts';
import { callerAtoms, type FixedCaller } from './fixed-caller.ts';
import { bareProgram, type MeshSide, type SideDecision, type Subject } from './mesh-side.ts';
import type { Witness } from './witness.ts';

/** What the server gets to see of a call. */
export interface Seen {
  /** Which of its filters read it. */
  readonly protocol: Traffic;
  /** The caller's own identity is proved. */
  readonly identified: boolean;
  readonly sni?: string;
}

export interface Arrival {
  /** The name leads to the server. */
  readonly routed: boolean;
  /** Absent: the call does not arrive. */
  readonly seen?: Seen;
  /** Protected by the mesh's own mutual TLS. */
  readonly mutual: boolean;
  /** For people. */
  readonly reason: string;
  /** What decides about the client's TLS. */
  readonly by?: PolicyRef;
}

/** One workload port as one kind of filter reads it. Its program is made when it is first asked for. */
export class Place {
  readonly subject: Subject;
  readonly setup: PortSetup;
  readonly protocol: Traffic;
  readonly #side: MeshSide;
  #program: AccessProgram | undefined;
  #atoms: readonly Atom[] | undefined;

  constructor(side: MeshSide, subject: Subject, setup: PortSetup, protocol: Traffic) {
    this.#side = side;
    this.subject = subject;
    this.setup = setup;
    this.protocol = protocol;
  }

  /** Equal keys on one side, equal programs. */
  get key(): string {
    const { subject, setup, protocol } = this;
    return subject.injected ? this.#side.programKey(this.#side.select(subject), setup, protocol) : 'bare';
  }

  get program(): AccessProgram {
    const { subject, setup, protocol } = this;
    this.#program ??= bareProgram(subject) ?? this.#side.program(this.key, this.#side.select(subject), setup, protocol);
    return this.#program;
  }

  /** What is asked of the caller itself. */
  get atoms(): readonly Atom[] {
    this.#atoms ??= callerAtoms(this.program);
    return this.#atoms;
  }
}

/** One side of a comparison, as callers see it. */
export class CallSide {
  readonly side: MeshSide;
  readonly router: CallRouter;
  readonly #places = new Map<string, Place>();
  readonly #principals = new Map<Workload, string>();

  constructor(side: MeshSide) {
    this.side = side;
    this.router = new CallRouter(compileMesh(side.config));
  }

  arrival(from: Workload, { targets, otherwise }: Routes, server: string, traffic: Traffic): Arrival {
    const target = targets.get(server);
    if (target === undefined) return { routed: false, mutual: false, reason: otherwise };
    const { reached, tls, reason, server: saw } = callPassage(this.router.mesh, from, target, traffic);
    const by = tls.determinedBy === 'auto' ? tls.peerAuthentication : tls.determinedBy;
    const base = { routed: true, mutual: tls.mode === 'istio_mutual', reason, ...(by === undefined ? {} : { by }) };
    if (!reached || saw === undefined) return base;
    const { protocol, principal, sni } = saw;
    return {
      ...base,
      seen: { protocol, identified: principal !== undefined, ...(sni === undefined ? {} : { sni }) },
    };
  }

  /** Who a workload is on a connection that the server sees so. */
  fixed(workload: Workload, { identified, sni }: Seen): FixedCaller {
    if (!identified) return sni === undefined ? {} : { sni };
    const principal = this.#principal(workload);
    return sni === undefined ? { principal } : { principal, sni };
  }

  #principal(workload: Workload): string {
    let principal = this.#principals.get(workload);
    if (principal === undefined) {
      const { namespace, serviceAccount } = workload;
      principal = `${this.side.config.settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
      this.#principals.set(workload, principal);
    }
    return principal;
  }

  /** How the port is read where nobody's sidecar says otherwise: what the comparison of servers has looked at. */
  usualProtocol(subject: Subject, port: number, traffic: Traffic): Traffic | undefined {
    return AccessCompiler.pipeline(this.side.ports(subject).get(port) ?? 'unknown', traffic);
  }

  place(
    subject: Subject,
    { port, refusesPaths }: Required<Pick<PortSetup, 'port' | 'refusesPaths'>>,
    { protocol }: Seen,
  ): Place {
    const id = `${subject.namespace}/${subject.name} ${port} ${protocol} ${refusesPaths}`;
    let place = this.#places.get(id);
    if (place === undefined) {
      place = new Place(this.side, subject, { ...this.side.setup(subject, port, protocol), refusesPaths }, protocol);
      this.#places.set(id, place);
    }
    return place;
  }

  /** What becomes of a witness in the hands of a caller. */
  decide({ subject, setup, protocol }: Place, witness: Witness, { principal, sni }: FixedCaller): SideDecision {
    const { principal: _, ...source } = witness.request.source ?? {};
    const { connection: __, ...request } = witness.request;
    return this.side.decide(subject, setup, protocol, {
      ...witness,
      request: {
        ...request,
        source: { ...source, ...(principal === undefined ? {} : { principal }) },
        ...(sni === undefined ? {} : { connection: { sni } }),
      },
    });
  }

  /** A call that does, or does not, arrive, as a decision. */
  transport({ seen, reason, by }: Arrival): SideDecision {
    const at = by === undefined ? undefined : this.side.positionOf(by);
    return {
      decision: seen === undefined ? 'deny' : 'allow',
      reason,
      ...(by === undefined ? {} : { by }),
      ...(at === undefined ? {} : { at }),
    };
  }
}
