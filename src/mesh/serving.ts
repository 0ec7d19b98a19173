/**
 * A mesh that stays up for real clients: every workload port answers on loopback, every workload has a port for calls
 * out, identities are on disk, and the virtual clock follows the machine's.
 *
 * Real clients judge certificates by the machine's clock. So the mesh starts at now and its time moves on with the
 * machine's, whatever the scenario says; its events and traffic are left out.
 * @module
 */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { didYouMean, DisposeStack, type Instant, instantOf, MeshError, messageOf } from '../core/index.ts';
import type { Workload } from '../istio/index.ts';
import { certificatesToPem, type Svid } from '../pki/index.ts';
import type { Address } from '../wire/index.ts';
import { loadManifests } from './load-manifests.ts';
import { makeFolder } from './make-folder.ts';
import { Mesh, type MeshOptions } from './mesh.ts';
import { loadScenario } from './scenario-file.ts';
import { scenarioMesh } from './scenario-mesh.ts';

export interface ServingOptions {
  readonly scenario?: string;
  /** Instead of a scenario. */
  readonly manifests?: string | readonly string[];
  readonly seed?: string;
  /** Loopback ports: `namespace/workload:port`, and `namespace/workload` for calls out. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly identities?: readonly IdentityRequest[];
  readonly forwards?: readonly ForwardRequest[];
}

export interface IdentityRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly folder: string;
}

export interface ForwardRequest {
  readonly from: string;
  /** `host:port` as applications of `from` know it. */
  readonly to: string;
  readonly port?: number;
}

/** Where everything answers. */
export interface ServingDescription {
  readonly workloads: readonly ServedWorkload[];
  readonly forwards?: readonly { readonly from: string; readonly to: string; readonly address: string }[];
}

export interface ServedWorkload {
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
  /** Of the first Service that reaches it; absent where none does. */
  readonly host?: string;
  readonly inbound: readonly {
    readonly port: number;
    readonly protocol: string;
    /** Of peer authentication, `NONE` without a sidecar; at a gateway's port of its own TLS: `NONE`, `SIMPLE`, `MUTUAL`. */
    readonly mode: string;
    readonly address: string;
    /** A gateway's public certificate, PEM: what its clients are to trust. */
    readonly certificate?: string;
  }[];
  readonly outbound: string;
}

/** How often the virtual clock is set forward. */
const TICK_MS = 100;

export class Serving implements AsyncDisposable {
  readonly mesh: Mesh;
  /** Resolves with what went wrong while nobody was looking. */
  readonly failed: Promise<Error>;
  readonly #description: ServingDescription;
  readonly #disposal = new DisposeStack();
  #fail: (error: Error) => void = () => undefined;
  #advancing = false;

  constructor(mesh: Mesh, description: ServingDescription) {
    this.mesh = mesh;
    this.#description = description;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
    this.#disposal.defer(() => mesh.close());
    const timer = setInterval(() => this.#tick(), TICK_MS);
    this.#disposal.defer(() => clearInterval(timer));
  }

  description(): ServingDescription {
    return this.#description;
  }

  /** Keeps the files of an identity as fresh as its certificate. @throws MeshError `ERR_CONFIG_IO`, `ERR_REQUEST_INVALID` */
  async keepIdentity(request: IdentityRequest): Promise<void> {
    const workload = workloadOf(this.mesh, request);
    await writeIdentity(this.mesh, workload, request.folder);
    const spiffeId = this.mesh.svid(workload)?.spiffeId;
    const subscription = this.mesh.events.subscribe((event) => {
      const concerned = event.kind === 'certificate.issued' || event.kind === 'trust.changed';
      if (!concerned || event.spiffeId !== spiffeId) return;
      writeIdentity(this.mesh, workload, request.folder).catch((error: unknown) => this.#fail(asError(error)));
    });
    this.#disposal.defer(() => subscription[Symbol.dispose]());
  }

  #tick(): void {
    if (this.#advancing) return;
    const { clock } = this.mesh;
    const behindMs = Date.now() - clock.now();
    if (behindMs <= 0) return;
    this.#advancing = true;
    clock.advance(behindMs).then(
      () => (this.#advancing = false),
      (error: unknown) => this.#fail(asError(error)),
    );
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#disposal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @throws MeshError, ConfigError: what cannot be read, parsed or bound */
export async function startServing(options: ServingOptions): Promise<Serving> {
  const start = instantOf(Date.now());
  const mesh = await Mesh.start({
    ...(await optionsOf(options, start)),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    start,
  });
  let serving: Serving | undefined;
  try {
    const workloads = await listenEverywhere(mesh);
    const forwards = await Promise.all(
      (options.forwards ?? []).map(async ({ from, to, port }) => {
        const { address } = await mesh.forward(from, to, port);
        return { from, to, address: textOf(address) };
      }),
    );
    serving = new Serving(mesh, { workloads, ...(forwards.length === 0 ? {} : { forwards }) });
    for (const identity of options.identities ?? []) await serving.keepIdentity(identity);
    return serving;
  } catch (error) {
    await (serving ?? mesh).close();
    throw error;
  }
}

async function optionsOf({ scenario, manifests, ports = {} }: ServingOptions, start: Instant): Promise<MeshOptions> {
  if (manifests !== undefined) return { config: await loadManifests(manifests), listen: ports };
  const loaded = await loadScenario(scenario);
  const { options, applications } = await scenarioMesh(loaded.scenario, loaded.folder, start);
  const seed = loaded.scenario.seed ?? loaded.scenario.metadata.name;
  return { ...options, applications, seed, listen: { ...options.listen, ...ports } };
}

async function listenEverywhere(mesh: Mesh): Promise<readonly ServedWorkload[]> {
  const listening = await mesh.simulation.listenAll();
  const served: ServedWorkload[] = [];
  for (const workload of mesh.config.workloads) {
    const { namespace, name, serviceAccount } = workload;
    const ports = mesh.compiled.inboundPorts(workload);
    const [host] = ports.flatMap(({ service }) => (service === undefined ? [] : [service.host]));
    const inbound = listening
      .filter((one) => one.workload.namespace === namespace && one.workload.name === name)
      .map(({ port, sidecar }) => ({
        port,
        protocol: ports.find((declared) => declared.port === port)?.protocol ?? 'auto',
        mode: modeOf(mesh, workload, port),
        address: textOf(sidecar.address),
        ...certificateOf(mesh.simulation.gateway(workload, port)),
      }));
    const outbound = textOf(await mesh.outbound(`${namespace}/${name}`));
    served.push({
      namespace,
      workload: name,
      serviceAccount,
      ...(host === undefined ? {} : { host }),
      inbound,
      outbound,
    });
  }
  return served;
}

function certificateOf(gateway: ReturnType<Mesh['simulation']['gateway']>): { readonly certificate?: string } {
  return gateway?.credential === undefined ? {} : { certificate: certificatesToPem(gateway.credential.chain) };
}

function modeOf(mesh: Mesh, workload: Workload, port: number): string {
  const gateway = mesh.simulation.gateway(workload, port);
  if (gateway !== undefined) return gateway.mode;
  return workload.injected ? mesh.compiled.peerAuthentication(workload, port).mode : 'NONE';
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

function workloadOf(mesh: Mesh, { namespace, serviceAccount }: IdentityRequest): string {
  const bearers = mesh.config.workloads.filter(({ injected }) => injected);
  const found = bearers.find((one) => one.namespace === namespace && one.serviceAccount === serviceAccount);
  if (found !== undefined) return `${found.namespace}/${found.name}`;
  const name = `${namespace}/${serviceAccount}`;
  const known = bearers.map((one) => `${one.namespace}/${one.serviceAccount}`);
  throw new MeshError(
    'ERR_REQUEST_INVALID',
    `no workload with a sidecar has the service account \`${name}\`${didYouMean(name, known)}`,
  );
}

/** Leaf and intermediates, the key for its owner's eyes alone, and the roots of the mesh. */
async function writeIdentity(mesh: Mesh, workload: string, folder: string): Promise<void> {
  const svid = mesh.svid(workload);
  if (svid === undefined) throw new MeshError('ERR_REQUEST_INVALID', `\`${workload}\` has no certificate`);
  try {
    await makeFolder(folder);
    await writeKey(join(folder, 'key.pem'), svid);
    await writeFile(join(folder, 'cert.pem'), certificatesToPem(svid.chain));
    await writeFile(join(folder, 'ca.pem'), certificatesToPem(mesh.simulation.ca.trusted.roots));
  } catch (error) {
    throw new MeshError('ERR_CONFIG_IO', `cannot write the identity to \`${folder}\`: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function writeKey(file: string, { key }: Svid): Promise<void> {
  await writeFile(file, key.privateKeyPem(), { mode: 0o600 });
  // The mode of a file that was there before is not changed by writing to it.
  await chmod(file, 0o600);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
