/**
 * The scene of one attack: who calls whom, with which secret, what is captured, and what the application saw.
 * @module
 */
import { MeshError } from '../core/index.ts';
import { type SpiffeId, workloadSpiffeId } from '../identity/index.ts';
import type { ApplicationRequest, Outcome, Way } from '../sim/index.ts';
import type { Capture, LinkMatch } from '../wire/index.ts';
import { callOverTls, type TlsAnswer } from './tls-client.ts';
import type { Attack, AttackContext, AttackMesh, AttackRefusal, AttackReport, Captured, Victim } from './attack.ts';

const EXCERPT_BYTES = 64;

/** How an attack ended. */
export interface Ending {
  readonly verdict: AttackReport['verdict'];
  readonly refusal?: AttackRefusal | undefined;
  /** What the attacker could read beyond the link, e.g. what its own server was told. */
  readonly plaintext?: Uint8Array;
}

export class Scene implements AsyncDisposable {
  readonly mesh: AttackMesh;
  readonly victim: Victim;
  readonly twin: boolean;
  /** What the victim's requests carry and nobody else may read. */
  readonly secret: string;
  readonly way: Way;
  readonly capture: Capture;
  readonly #attack: Attack;
  readonly #steps: string[] = [];
  readonly #evidence: { readonly what: string; readonly seen: string }[] = [];
  readonly #closers: Disposable[] = [];
  readonly #application = { requests: 0, bytes: 0 };
  #counts: (request: ApplicationRequest) => boolean = () => false;
  #refused: AttackRefusal | undefined;

  private constructor(attack: Attack, context: AttackContext, way: Way) {
    this.#attack = attack;
    this.mesh = context.mesh;
    this.victim = context.victim;
    this.twin = context.twin;
    this.way = way;
    this.secret = `card-${Buffer.from(context.rng.fork('secret').bytes(8)).toString('hex')}`;
    const { simulation } = context.mesh;
    this.capture = simulation.trouble.capture({ links: [{ to: way.server }] });
    this.#closers.push(
      this.capture,
      simulation.onServed(({ workload, request }) => {
        if (workload !== way.server || !this.#counts(request)) return;
        this.#application.requests += 1;
        this.#application.bytes += bytesOf(request);
      }),
      simulation.onRefused(({ workload, refusal }) => {
        if (workload !== way.server) return;
        const { stage, reason, detail = reason } = refusal;
        this.#refused = { stage: stage === 'codec' ? 'filter-chain' : stage, reason, detail, side: 'server' };
      }),
    );
  }

  /** @throws MeshError `ERR_ATTACK` when the victim's call leads nowhere */
  static async open(attack: Attack, context: AttackContext): Promise<Scene> {
    const { from, to } = context.victim;
    const way = await context.mesh.simulation.way(from, to);
    if (way === undefined) throw new MeshError('ERR_ATTACK', `\`${to}\` has no endpoints to attack`);
    return new Scene(attack, context, way);
  }

  step(text: string): void {
    this.#steps.push(text);
  }

  evidence(what: string, seen: string): void {
    this.#evidence.push({ what, seen });
  }

  /** Counts what the application sees from now on as the attack's doing: all of it, or what `isAttack` says. */
  count(isAttack: (request: ApplicationRequest) => boolean = () => true): void {
    this.#counts = isAttack;
  }

  /** The link under attack. */
  get link(): LinkMatch {
    return { from: this.way.route.link.source, to: this.way.server };
  }

  /** The SPIFFE ID of the attacked server. */
  get serverId(): SpiffeId {
    return this.mesh.simulation.spiffeId(this.way.server);
  }

  /** A pod of the victim's namespace that somebody has taken over: a genuine account that nobody's policy names. */
  get intruderId(): SpiffeId {
    const { trustDomain } = this.mesh.simulation.compiled.config.settings;
    const [namespace = 'default'] = this.victim.from.split('/');
    return workloadSpiffeId({ trustDomain, namespace, serviceAccount: 'intruder' });
  }

  /** The victim's call through its sidecar, on a connection of its own unless it is to be kept. */
  call(options: { readonly kept?: boolean } = {}): Promise<Outcome> {
    const { from, to, method, path } = this.victim;
    return this.mesh.simulation.request(
      { from, to, method, path, headers: { cookie: `session=${this.secret}` } },
      { fresh: options.kept !== true },
    );
  }

  /**
   * The same call with nobody in the way: without it a refusal would mean nothing.
   * @throws MeshError `ERR_ATTACK`
   */
  async honestCall(options: { readonly kept?: boolean } = {}): Promise<Outcome> {
    const outcome = await this.call(options);
    const { from, to, method, path } = this.victim;
    if (outcome.result !== 'allow')
      throw new MeshError(
        'ERR_ATTACK',
        `${from} cannot call ${to} (${method} ${path}) even when nobody attacks: ${outcome.status} ${outcome.reason}`,
      );
    this.step(`${from} calls ${to}: ${outcome.status}, ${securityOf(outcome)}`);
    return outcome;
  }

  /** What the server said last of a connection it ended. */
  get serverRefusal(): AttackRefusal | undefined {
    return this.#refused;
  }

  /** Why a connection of the attacker's own came to nothing: what the server said of it, else what the client saw. */
  async refusalOf(answer: TlsAnswer): Promise<AttackRefusal> {
    // The server may settle in the turn after.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#refused !== undefined) return this.#refused;
    if (answer.ok)
      return { stage: 'authorize', reason: `status_${answer.status}`, detail: answer.body, side: 'server' };
    const stage = answer.stage === 'response' ? 'connect' : answer.stage;
    return { stage, reason: answer.reason, detail: answer.detail, side: 'client' };
  }

  /** A client that speaks nothing newer than TLS 1.1 knocks, for the record. */
  async offerOldVersions(): Promise<void> {
    const answer = await callOverTls({
      address: this.way.route.address,
      credential: this.mesh.simulation.svid(this.victim.from),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
      request: { method: 'GET', path: '/', host: this.way.host },
    });
    this.evidence('a client that speaks only TLS 1.0 and 1.1', answer.ok ? `${answer.status}` : answer.reason);
  }

  /** Takes every policy away and sets one mode for the whole mesh: what a twin is weakened with. */
  async weaken(mode: 'DISABLE' | 'PERMISSIVE'): Promise<void> {
    const { settings } = this.mesh.simulation.compiled.config;
    await this.dropPolicies();
    await this.mesh.apply(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: weakened, namespace: ${settings.rootNamespace} }
spec: { mtls: { mode: ${mode} } }
`);
    this.step(`the mesh is weakened: no policy is left, mutual TLS is ${mode}`);
  }

  async dropPolicies(): Promise<void> {
    const { config } = this.mesh.simulation.compiled;
    await this.mesh.simulation.reconfigure(
      {
        ...config,
        peerAuthentications: [],
        authorizationPolicies: [],
        requestAuthentications: [],
        destinationRules: [],
      },
      { applied: [], removed: [] },
    );
  }

  end({ verdict, refusal, plaintext }: Ending): AttackReport {
    const { name, title, tries, defence, broken } = this.#attack;
    return {
      attack: name,
      title,
      tries,
      twin: this.twin,
      protection: this.twin ? broken : defence,
      victim: this.victim,
      steps: this.#steps,
      captured: this.#captured(plaintext),
      verdict,
      ...(refusal === undefined ? {} : { refusal }),
      application: { ...this.#application },
      evidence: this.#evidence,
    };
  }

  #captured(plaintext: Uint8Array | undefined): Captured {
    const { connections, bytes } = this.capture.count;
    const streams = this.capture.streams().map((stream) => Buffer.from(stream.bytes));
    const readable = plaintext ?? Buffer.concat(streams.filter(isReadable));
    return {
      connections,
      bytesUp: bytes.up,
      bytesDown: bytes.down,
      plaintextBytes: readable.length,
      secretFound: this.capture.contains(this.secret) || Buffer.from(readable).includes(this.secret),
      excerpt: printable(readable.length > 0 ? readable : (streams[0] ?? readable)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const closer of this.#closers) closer[Symbol.dispose]();
  }
}

/** One direction of plaintext HTTP/1: a request line or a status line. */
function isReadable(bytes: Buffer): boolean {
  return /^([A-Z]+ \S+ |)HTTP\/1\.\d[ \r]/.test(bytes.toString('latin1', 0, 2_048));
}

/** All that was heard on the link. */
export function heardOn(capture: Capture): Buffer {
  return Buffer.concat(capture.streams().map(({ bytes }) => bytes));
}

/** How a refused outcome reads in a report; nothing where it was answered. */
export function refusalOf(outcome: Outcome): AttackRefusal | undefined {
  if (outcome.refusal !== undefined) {
    const { stage, reason, detail, side } = outcome.refusal;
    return { stage, reason, detail, side };
  }
  if (outcome.result !== 'deny') return undefined;
  return { stage: 'authorize', reason: outcome.details, detail: outcome.reason, side: 'server' };
}

export function securityOf({ connection }: Outcome): string {
  if (connection.security === 'none') return 'plaintext';
  const version = connection.tlsVersion ?? 'TLS';
  return connection.security === 'mutual_tls' ? `mutual ${version}` : version;
}

function bytesOf({ method, path, headers, body }: ApplicationRequest): number {
  let bytes = method.length + path.length + body.length;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + String(value).length;
  return bytes;
}

function printable(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, EXCERPT_BYTES)).toString('latin1');
  return start.replaceAll(/[^\x20-\x7e]/g, '.') + (bytes.length > EXCERPT_BYTES ? '…' : '');
}
