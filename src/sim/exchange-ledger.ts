/**
 * What the server's side knows of a request that was sent from this process, so that its outcome can name the policy
 * that decided and count the bytes the application saw.
 *
 * Requests are found by `x-request-id`, raw and refused connections by the number their dialler gave them. What a foreign
 * client (curl) does has no entry, and leaves none.
 * @module
 */
import type { AuthorizationRequest, Decision } from '../policy/index.ts';
import type { InboundConnection, InboundRefusal } from '../wire/index.ts';
import type { Outcome } from './request.ts';

export class ExchangeRecord {
  connection: InboundConnection | undefined;
  asked: AuthorizationRequest | undefined;
  decision: Decision | undefined;
  /** Access-log detail where something other than RBAC decided: a refused token, a path that cannot be normalised. */
  details: string | undefined;
  /** What became of it behind a gateway. */
  onward: Outcome | undefined;
  reached = false;
  /** Told once the server has made up its mind about a raw connection. */
  onVerdict: (() => void) | undefined;
  /** Body bytes handed to the application. */
  applicationBytes = 0;
}

/** What nobody asks for must not pile up. */
const ENTRIES_MAX = 65_536;

export class ExchangeLedger {
  readonly #records = new Map<string, ExchangeRecord>();
  readonly #connections = new Map<number, ExchangeRecord>();
  readonly #refusals = new Map<number, InboundRefusal>();

  open(requestId: string): ExchangeRecord {
    const record = new ExchangeRecord();
    this.#records.set(requestId, record);
    return record;
  }

  find(requestId: string | readonly string[] | undefined): ExchangeRecord | undefined {
    return typeof requestId === 'string' ? this.#records.get(requestId) : undefined;
  }

  close(requestId: string): void {
    const record = this.#records.get(requestId);
    // A Map that entries come and go in keeps old ones alive for the garbage collector: they had better be empty.
    if (record !== undefined) {
      record.connection = undefined;
      record.asked = undefined;
      record.decision = undefined;
      record.onward = undefined;
    }
    this.#records.delete(requestId);
  }

  /** The record of a raw connection, by the number its dialler gave it. Both ends may ask first. */
  connection(id: number): ExchangeRecord {
    let record = this.#connections.get(id);
    if (record === undefined) {
      bound(this.#connections);
      record = new ExchangeRecord();
      this.#connections.set(id, record);
    }
    return record;
  }

  /** The same, if the server has seen the connection. */
  knownConnection(id: number): ExchangeRecord | undefined {
    return this.#connections.get(id);
  }

  closeConnection(id: number): void {
    this.#connections.delete(id);
  }

  refused(refusal: InboundRefusal): void {
    const id = refusal.source?.connection;
    if (id === undefined) return;
    bound(this.#refusals);
    this.#refusals.set(id, refusal);
  }

  /** Why the server refused the connection that its dialler calls `id`; asked once. */
  takeRefusal(id: number): InboundRefusal | undefined {
    const refusal = this.#refusals.get(id);
    this.#refusals.delete(id);
    return refusal;
  }
}

function bound(map: Map<number, unknown>): void {
  if (map.size < ENTRIES_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
