/**
 * Which virtual pod a loopback socket belongs to.
 *
 * Every simulated pod shares 127.0.0.1, so a server cannot tell its callers apart by address. A client that dials
 * through wire enters both ports of its socket here in the turn in which it is connected, before its first byte is sent;
 * the server looks them up when the first byte arrives. A socket that nobody entered comes from outside the mesh.
 *
 * Both ports, because the system gives one local port to several sockets at once if they lead to different servers.
 *
 * Not modelled: a pod's own address on the wire (127.0.0.0/8 would give one on Linux, but not on macOS).
 * @module
 */

/** A real address on loopback. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The virtual end of a loopback socket. */
export interface VirtualPeer {
  /** `ns/workload`, or `outside`. */
  readonly workload: string;
  /** The address the pod has in its mesh, e.g. `10.0.0.5`. */
  readonly ip?: string;
  /** The caller's own number for this connection (`OutboundConnection.id`): both ends of one story. */
  readonly connection?: number;
}

/** What a caller that nobody entered is called. */
export const OUTSIDE = 'outside';

/** The two ends of one socket, as its client sees them. */
export interface SocketEnds {
  readonly local: Address;
  /** The server's port; its host is loopback too. */
  readonly remotePort: number;
}

export class AddressBook {
  readonly #peers = new Map<string, VirtualPeer>();
  #connections = 0;

  /** Enters a client's socket; dispose when it closes. */
  register(ends: SocketEnds, peer: VirtualPeer): Disposable {
    const key = keyOf(ends);
    this.#peers.set(key, peer);
    return {
      [Symbol.dispose]: () => {
        // The system may have given the ports to another socket meanwhile.
        if (this.#peers.get(key) === peer) this.#peers.delete(key);
      },
    };
  }

  lookup(ends: SocketEnds): VirtualPeer | undefined {
    return this.#peers.get(keyOf(ends));
  }

  /** A number for the next connection of this mesh, from 1. */
  nextConnectionId(): number {
    this.#connections += 1;
    return this.#connections;
  }

  /** Sockets entered at present. */
  get size(): number {
    return this.#peers.size;
  }
}

function keyOf({ local: { host, port }, remotePort }: SocketEnds): string {
  return `${host.startsWith('::ffff:') ? host.slice(7) : host}:${port}>${remotePort}`;
}
