/**
 * The mesh as users meet it: simulation and telemetry behind one object.
 * @module
 */
import {
  DEFAULT_EPOCH,
  DEFAULT_SEED,
  type EventLog,
  type Instant,
  MeshError,
  parseDuration,
  parseInstant,
} from '../core/index.ts';
import {
  EMPTY_MESH_CONFIG,
  mergeConfig,
  type MeshConfig,
  parseManifests,
  type PolicyResource,
  policyResources,
  refOf,
  removeResource,
  type ResourceRef,
  validateResource,
} from '../istio/index.ts';
import type { KeyAlgorithm, Svid } from '../pki/index.ts';
import type { CompiledMesh, ExternalAuthorizer, JwksSource } from '../policy/index.ts';
import {
  type ApplicationOption,
  type CsrPath,
  type FaultWindow,
  type GatewayTable,
  type MeshConnection,
  type MeshRequest,
  type Outcome,
  Simulation,
  type VirtualClock,
} from '../sim/index.ts';
import type { Address, PortForward } from '../wire/index.ts';
import { type ServiceMetrics, ServiceMetricsFold } from '../telemetry/index.ts';
import type { Capture, CaptureOptions, WireRule } from '../wire/index.ts';
import { loadManifests } from './load-manifests.ts';

export interface MeshOptions {
  /** Files and folders of Kubernetes and Istio manifests. */
  readonly manifests?: string | readonly string[];
  /** Manifests as text. */
  readonly yaml?: string;
  /** A configuration that was parsed before. */
  readonly config?: MeshConfig;
  /** @defaultValue `meshproof` */
  readonly seed?: string | number;
  /** Virtual start. @defaultValue 2026-01-01T00:00:00Z */
  readonly start?: Instant | string;
  readonly ca?: {
    /** Lifetime of workload certificates. @defaultValue 24h */
    readonly leafTtl?: string;
    /** @defaultValue `ecdsa-p256` */
    readonly key?: KeyAlgorithm;
    /** Keys come from the seed: certificates repeat, and are worthless as secrets. @defaultValue false */
    readonly reproducibleKeys?: boolean;
    /** Life of roots. @defaultValue 10 years */
    readonly rootTtl?: string;
    /** How old the root is at the start. @defaultValue 7 days */
    readonly rootAge?: string;
    /** Renew the root, with its key, before it expires. @defaultValue true */
    readonly renewRoot?: boolean;
  };
  /** What is special about single workloads from the start, by `namespace/workload`. */
  readonly workloads?: Readonly<Record<string, { readonly clockSkewMs?: number; readonly csr?: CsrPath }>>;
  readonly rotation?: {
    /** Share of the lifetime before expiry at which a certificate is renewed. @defaultValue 0.5 */
    readonly graceRatio?: number;
    /** @defaultValue 0.01 */
    readonly jitterRatio?: number;
  };
  /**
   * Applications by `namespace/workload` or `namespace/workload:port`: a function that answers HTTP, or an
   * `ApplicationServer`, e.g. `{ address: '127.0.0.1:5432' }` for a real one. One that echoes where none is given.
   */
  readonly applications?: Readonly<Record<string, ApplicationOption>>;
  /** Who answers outside the mesh, by `host` or `host:port`. Nobody else does: there is no way off this machine. */
  readonly outside?: Readonly<Record<string, ApplicationOption>>;
  /**
   * Ports of workloads that face the outside, by `namespace/workload:port`: TLS with a public certificate or plain HTTP,
   * the policies of the workload in front, its own identity behind.
   */
  readonly gateways?: GatewayTable;
  /** Certificate files that DestinationRules name: PEM by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** PEM certificates that stand for the operating system's roots, where a DestinationRule names none. */
  readonly systemRoots?: readonly string[];
  /** Answers for the providers of CUSTOM policies; without it they count as unreachable. */
  readonly externalAuthorizer?: ExternalAuthorizer;
  /** Key sets, as JSON text, of RequestAuthentications that name a URI; without it none can be fetched. */
  readonly jwks?: JwksSource;
  /**
   * Loopback ports to listen on, by workload port: `{ 'default/api-gateway:8080': 18080 }`, and without a port where the
   * workload's applications call out: `{ 'default/api-gateway': 18081 }`. Any free one where none is given.
   */
  readonly listen?: Readonly<Record<string, number>>;
}

/**
 * An offline service mesh: identities, sidecars, policies and a clock, in this process.
 *
 * @example
 * await using mesh = await Mesh.start({ manifests: './k8s' });
 * const outcome = await mesh.request({ from: 'default/frontend', to: 'default/api-gateway', path: '/api/orders' });
 */
export class Mesh implements AsyncDisposable {
  readonly #simulation: Simulation;
  readonly #metrics = new ServiceMetricsFold();
  /** Events already in `#metrics`. */
  #folded = 0;

  private constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** @throws MeshError `ERR_CONFIG_…` when the configuration is refused, `ERR_TIME_SYNTAX`, `ERR_WIRE_LISTEN` */
  static async start(options: MeshOptions): Promise<Mesh> {
    const { seed = DEFAULT_SEED, start = DEFAULT_EPOCH, ca = {}, rotation = {} } = options;
    const { workloads, applications, outside, gateways, files, systemRoots, externalAuthorizer, jwks, listen } =
      options;
    const simulation = await Simulation.start({
      config: await configOf(options),
      seed: String(seed),
      start: typeof start === 'string' ? parseInstant(start) : start,
      key: ca.key ?? 'ecdsa-p256',
      reproducibleKeys: ca.reproducibleKeys ?? false,
      rotation: { ...rotation, ...(ca.leafTtl === undefined ? {} : { ttlMs: parseDuration(ca.leafTtl) }) },
      ca: {
        ...(ca.rootTtl === undefined ? {} : { rootTtlMs: parseDuration(ca.rootTtl) }),
        ...(ca.rootAge === undefined ? {} : { rootAgeMs: parseDuration(ca.rootAge) }),
        ...(ca.renewRoot === undefined ? {} : { renewRoot: ca.renewRoot }),
      },
      ...(workloads && { workloads }),
      ...(applications && { applications }),
      ...(outside && { outside }),
      ...(gateways && { gateways }),
      ...(files && { files }),
      ...(systemRoots && { systemRoots }),
      ...(externalAuthorizer && { externalAuthorizer }),
      ...(jwks && { jwks }),
      ...(listen && { listen }),
    });
    return new Mesh(simulation);
  }

  get clock(): VirtualClock {
    return this.#simulation.clock;
  }

  get events(): EventLog {
    return this.#simulation.events;
  }

  get config(): MeshConfig {
    return this.#simulation.compiled.config;
  }

  /** The configuration in force, compiled: `compiled.authorize(…)`, `compiled.peerAuthentication(…)`. */
  get compiled(): CompiledMesh {
    return this.#simulation.compiled;
  }

  /** The engine underneath: the certificate authority, the seam for faults, sockets. */
  get simulation(): Simulation {
    return this.#simulation;
  }

  /**
   * Sends real bytes over real TLS and waits for the outcome. A refusal is an outcome, not an exception.
   * @throws MeshError `ERR_REQUEST_INVALID` when a workload or port does not exist
   */
  request(request: MeshRequest): Promise<Outcome> {
    return this.#simulation.request(request);
  }

  /**
   * Opens a raw connection through the sidecars, says something, and tells what came of it.
   * @throws MeshError `ERR_REQUEST_INVALID` when a workload or port does not exist
   */
  connect(connection: MeshConnection): Promise<Outcome> {
    return this.#simulation.connect(connection);
  }

  /**
   * Where real programs call out as `workload` (`namespace/name`): an HTTP proxy on loopback, CONNECT for raw TCP.
   * @throws MeshError `ERR_REQUEST_INVALID`, `ERR_WIRE_LISTEN`
   */
  outbound(workload: string): Promise<Address> {
    return this.#simulation.outbound(workload);
  }

  /**
   * A loopback port that leads, as `from`, to `to` (`host:port`): for programs that know no proxy. Closes with the mesh.
   * @throws MeshError `ERR_REQUEST_INVALID`, `ERR_WIRE_LISTEN`
   */
  forward(from: string, to: string, listenPort?: number): Promise<PortForward> {
    return this.#simulation.forward(from, to, listenPort);
  }

  /**
   * The same question answered from the compiled configuration, without sockets. Tokens are not looked at, since checking
   * a signature takes a turn of its own: `predictVerified` does.
   */
  predict(request: MeshRequest): Outcome {
    return this.#simulation.predict(request);
  }

  /** The same, with tokens verified as the server's RequestAuthentications have it. */
  predictVerified(request: MeshRequest): Promise<Outcome> {
    return this.#simulation.predictVerified(request);
  }

  /** The same for a raw connection. */
  predictConnection(connection: MeshConnection): Outcome {
    return this.#simulation.predictConnection(connection);
  }

  /**
   * Like `kubectl apply`: takes effect at this instant.
   * @throws ConfigError (nothing is changed)
   */
  async apply(change: string | readonly PolicyResource[]): Promise<void> {
    const resources =
      typeof change === 'string' ? policyResources(parseManifests(change, { origin: 'apply' })) : change;
    for (const resource of resources) validateResource(resource);
    await this.#simulation.reconfigure(mergeConfig(this.config, resources), {
      applied: resources.map(refOf),
      removed: [],
    });
  }

  /** Like `kubectl delete`. @throws MeshError `ERR_REQUEST_INVALID` when there is no such resource */
  async remove(ref: ResourceRef): Promise<void> {
    const after = removeResource(this.config, ref);
    if (after === this.config) {
      throw new MeshError(
        'ERR_REQUEST_INVALID',
        `no ${ref.kind} \`${ref.namespace}/${ref.name}\` in the configuration`,
      );
    }
    await this.#simulation.reconfigure(after, { applied: [], removed: [ref] });
  }

  /**
   * Makes trouble on links until the handle is disposed: one of `faults`, or a rule of your own. The first rule with a
   * verdict on a connection decides. Open connections are opened anew, so that the rule sees them too.
   * @throws MeshError `ERR_TIME_SYNTAX`, `ERR_FAULT_INVALID`
   *
   * @example
   * using _cut = mesh.fault(faults.partition({ to: 'default/payment-service' }), { from: '10m', until: '20m' });
   */
  fault(rule: WireRule, window?: FaultWindow): Disposable {
    return this.#simulation.trouble.fault(rule, window);
  }

  /** Records every byte on links, for Wireshark; with `secrets`, so that it can be decrypted. */
  capture(options?: CaptureOptions): Capture {
    return this.#simulation.trouble.capture(options);
  }

  /**
   * The mesh's trust domain from this instant on, and its aliases. Who may enter changes at once; workloads get the new
   * identity with their next certificate.
   */
  async setTrustDomain(trustDomain: string, aliases: readonly string[] = []): Promise<void> {
    const settings = { ...this.config.settings, trustDomain, trustDomainAliases: aliases };
    await this.#simulation.reconfigure({ ...this.config, settings }, { applied: [], removed: [] });
  }

  /** The certificate a workload (`namespace/name`) presents now. */
  svid(workload: string): Svid | undefined {
    return this.#simulation.svid(workload);
  }

  /** What each service has seen so far. */
  serviceMetrics(): ServiceMetrics[] {
    const events = this.#simulation.events.all();
    this.#metrics.addAll(events.slice(this.#folded));
    this.#folded = events.length;
    return [...this.#metrics.snapshot()];
  }

  /** Closes every socket and timer. Idempotent. */
  async close(): Promise<void> {
    await this.#simulation.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function configOf({ manifests, yaml, config }: MeshOptions): Promise<MeshConfig> {
  if (config !== undefined) return config;
  if (yaml !== undefined) return parseManifests(yaml, { origin: 'yaml' });
  return manifests === undefined ? EMPTY_MESH_CONFIG : loadManifests(manifests);
}
