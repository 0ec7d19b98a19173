/**
 * Upgraded connections (WebSocket): the handshake is HTTP, what follows is bytes in both directions.
 * @module
 */
import { type IncomingMessage, request as sendRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Address } from './address-book.ts';

/** An upgrade on its way to who may accept it. */
export interface UpgradeCall {
  readonly method: string;
  readonly path: string;
  /** Name, value, name, value, … the upgrade's own headers included. */
  readonly headers: readonly string[];
  /** Bytes the client sent right behind its request. */
  readonly head: Uint8Array;
}

export interface UpgradeAnswer {
  readonly status: number;
  /** Absent: it was not accepted, and the answer's body follows. */
  readonly stream?: Duplex;
  readonly response: IncomingMessage;
}

/** Sends an upgrade over a connection that is open. @throws Error of the socket */
export function sendUpgrade(over: Duplex, call: UpgradeCall): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const request = sendRequest({
      method: call.method,
      path: call.path,
      headers: [...call.headers],
      setHost: false,
      createConnection: () => over,
    });
    request.once('upgrade', (response, stream, head) => {
      if (head.length > 0) stream.unshift(head);
      if (call.head.length > 0) stream.write(call.head);
      resolve({ status: response.statusCode ?? 101, stream, response });
    });
    request.once('response', (response) => resolve({ status: response.statusCode ?? 502, response }));
    request.once('error', reject);
    request.end();
  });
}

/** A plain connection to an application. @throws Error of the socket */
export function connectTo({ host, port }: Address): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Joins two streams until both have ended; the failure of one destroys the other. */
export function join(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => to.destroy());
    from.once('close', () => {
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
}
