/**
 * Who gets through to one port of one workload, as a decision diagram: what every question about a single
 * configuration starts from.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { normalizePath } from '../policy/path-normalization.ts';
import {
  CLOSED,
  letting,
  type AccessProgram,
  type Cube,
  type PortSetup,
  type RuleCubes,
  type Traffic,
} from './access-program.ts';
import { AtomTable, trustDomainKey, type Atom, type SingleAttribute } from './atom.ts';
import { walkJointly, type Walk } from './joint-walk.ts';
import { LevelFactory } from './level.ts';
import { literal } from './linear-pattern.ts';
import { bareProgram, MeshSide, OTHER_PORT, type SelectedPolicies, type Subject } from './mesh-side.ts';

/** Fixes attributes: only requests with these values are asked about. */
export interface RequestScope {
  /** `td/ns/NAMESPACE/sa/ACCOUNT`; `null` for callers without identity. */
  readonly principal?: string | null;
  readonly method?: string;
  /** As it arrives. */
  readonly path?: string;
  readonly host?: string;
}

export interface PortQuestion {
  /** `namespace/workload` */
  readonly to: string;
  /** Workload port; the first one declared where absent. */
  readonly port?: number;
  /** @defaultValue `http`, or `tcp` on a port declared so */
  readonly traffic?: Traffic;
}

/** One port of one workload, ready for questions. */
export interface PortAccess {
  readonly subject: Subject;
  readonly setup: PortSetup;
  readonly traffic: Traffic;
  readonly selected: SelectedPolicies;
  readonly program: AccessProgram;
}

/** One configuration, compiled for questions. */
export class AccessMap {
  readonly side: MeshSide;
  readonly factory: LevelFactory;
  readonly #atoms: AtomTable;
  readonly #walks = new Map<AccessProgram, Walk>();

  /** `like`: classes are cut as for this other configuration, so that shares of both can be compared. */
  constructor(config: MeshConfig, like?: AccessMap) {
    this.#atoms = like === undefined ? new AtomTable() : like.#atoms;
    this.side = new MeshSide(config, this.#atoms, new Map());
    if (like !== undefined) {
      this.factory = like.factory;
      return;
    }
    this.factory = new LevelFactory({
      identities: config.settings.caTrustDomains.length > 0 ? 'spiffe' : 'istio',
      trustDomains: acceptedTrustDomains(config.settings),
    });
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` for a workload that is not declared */
  subject(name: string): Subject {
    const subject = this.side.subject(name);
    if (subject !== undefined) return subject;
    throw new MeshError(
      'ERR_REQUEST_INVALID',
      `no workload \`${name}\` in the configuration${didYouMean(name, this.side.names)}`,
    );
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` */
  port(question: PortQuestion): PortAccess {
    const subject = this.subject(question.to);
    const ports = this.side.ports(subject);
    const port = question.port ?? [...ports.keys()].find((each) => each !== OTHER_PORT) ?? OTHER_PORT;
    const setup = this.side.setup(subject, port, ports.get(port) ?? 'unknown');
    const traffic = question.traffic ?? (setup.protocol === 'tcp' ? 'tcp' : 'http');
    const selected = this.side.select(subject);
    const key = this.side.programKey(selected, setup, traffic);
    const program = bareProgram(subject) ?? this.side.program(key, selected, setup, traffic);
    return { subject, setup, traffic, selected, program };
  }

  /** Every declared port of every workload, for the traffic it is declared for. */
  declaredPorts(): readonly PortAccess[] {
    return this.side.names.flatMap((to) => {
      const ports = [...this.side.ports(this.subject(to)).keys()].filter((port) => port !== OTHER_PORT);
      return (ports.length === 0 ? [OTHER_PORT] : ports).map((port) => this.port({ to, port }));
    });
  }

  rules({ selected, setup, traffic, subject }: PortAccess): readonly RuleCubes[] {
    return subject.injected ? this.side.rules(selected, setup, traffic) : [];
  }

  /** Everything the port lets in. */
  allowed(access: PortAccess): Walk {
    const known = this.#walks.get(access.program);
    if (known !== undefined) return known;
    const walk = walkJointly(CLOSED, access.program, this.factory, { traffic: access.traffic });
    this.#walks.set(access.program, walk);
    return walk;
  }

  /** Everything the port lets in, in the classes that it and another program tell apart. */
  allowedBeside(access: PortAccess, other: AccessProgram): Walk {
    // Behind everything else, where all is refused anyway, the other's conditions decide nothing.
    const space = other.map((stage) => ({ decision: 'deny' as const, cause: '', cubes: stage.cubes }));
    return walkJointly(CLOSED, [...access.program, ...space], this.factory, { traffic: access.traffic });
  }

  /** What the port lets in (`allowed`) or refuses (`denied`) within a scope. */
  within(access: PortAccess, scope: RequestScope, side: 'allowed' | 'denied'): Walk {
    const outside = this.#outside(scope);
    const scoped = (program: AccessProgram): AccessProgram => [
      { decision: 'deny', cause: 'outside the scope', cubes: outside },
      ...program,
    ];
    const from = side === 'allowed' ? CLOSED : scoped(letting([[]], access.program));
    return walkJointly(from, scoped(access.program), this.factory, { traffic: access.traffic });
  }

  /** Cubes of everything that is not in the scope. */
  #outside({ principal, method, path, host }: RequestScope): readonly Cube[] {
    const cubes: Cube[] = [];
    const only = (name: SingleAttribute, text: string): void => {
      const value = this.#atoms.value(`${name} text ${text}`, `\`${text}\``, () => [literal(text)]);
      const { pathNormalization: normalization } = this.side.config.settings;
      const withQuery = [literal(text), [...literal(`${text}?`), ANY]];
      const ofPath = name === 'path' ? { withQuery, normalization } : {};
      const atom = this.#atoms.intern({ kind: 'text', name }, [{ ...value, ...ofPath }]);
      cubes.push([{ atom, negated: true }]);
    };
    if (typeof principal === 'string') only('principal', principal);
    if (method !== undefined) only('method', method);
    if (host !== undefined) only('host', host);
    if (path !== undefined) {
      const normal = normalizePath(path, this.side.config.settings.pathNormalization);
      if (normal === undefined) throw new MeshError('ERR_REQUEST_INVALID', `the path \`${path}\` cannot be normalised`);
      only('path', normal);
    }
    if (principal === null) cubes.push([{ atom: this.anyIdentity, negated: false }]);
    return cubes;
  }

  /** Whether the caller has proved an identity. */
  get anyIdentity(): Atom {
    const any = this.#atoms.value(trustDomainKey('*'), 'any identity', () => [[ANY]]);
    return this.#atoms.intern({ kind: 'text', name: 'principal' }, [any]);
  }
}

const ANY = { set: 'any', loop: true } as const;
