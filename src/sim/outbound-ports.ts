/**
 * Where real programs call out: one port on loopback for each workload, opened when it is first needed, and ports that
 * carry raw bytes to one place.
 * @module
 */
import { DisposeStack } from '../core/index.ts';
import type { PortForward } from '../wire/index.ts';
import { ClientSidecar, type ClientSidecarOptions } from './client-sidecar.ts';

export interface OutboundPortsOptions extends Pick<ClientSidecarOptions, 'exchanges' | 'resolve'> {
  departure(workload: string): ReturnType<ClientSidecarOptions['departure']>;
  /** The port that was asked for; nothing: any that is free. */
  listenPort(workload: string): number | undefined;
}

export class OutboundPorts implements AsyncDisposable {
  readonly #options: OutboundPortsOptions;
  readonly #open = new Map<string, Promise<ClientSidecar>>();
  readonly #disposal = new DisposeStack();

  constructor(options: OutboundPortsOptions) {
    this.#options = options;
  }

  /** @param workload `namespace/name` @throws MeshError `ERR_WIRE_LISTEN` */
  of(workload: string): Promise<ClientSidecar> {
    const known = this.#open.get(workload) ?? this.#listen(workload);
    this.#open.set(workload, known);
    return known;
  }

  /** A port whose connections are carried, as raw bytes, from `workload` to `to`. */
  async forward(workload: string, to: string, listenPort?: number): Promise<PortForward> {
    const sidecar = await this.of(workload);
    const forward = await sidecar.forward(to, listenPort);
    this.#disposal.defer(() => forward.close());
    return forward;
  }

  #listen(workload: string): Promise<ClientSidecar> {
    const options = this.#options;
    const opening = ClientSidecar.listen({
      workload,
      exchanges: options.exchanges,
      resolve: (to, namespace) => options.resolve(to, namespace),
      departure: () => options.departure(workload),
      listenPort: options.listenPort(workload),
    });
    this.#disposal.defer(async () => (await opening.catch(() => undefined))?.close());
    return opening;
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#disposal.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
