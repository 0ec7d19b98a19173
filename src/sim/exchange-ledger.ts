/**
 * What the server's side knows of a request that was sent from this process, so that its outcome can name the policy
 * that decided and count the bytes the application saw.
 *
 * Requests are found by `x-request-id`, refused connections by the address they came from. A request of a foreign
 * client (curl) has no entry, and leaves none.
 * @module
 */
import type { AuthorizationRequest, Decision } from '../policy/index.ts';
import type { Address, InboundConnection, InboundRefusal } from '../wire/index.ts';

export interface ExchangeRecord {
  connection?: InboundConnection;
  asked?: AuthorizationRequest;
  decision?: Decision;
  /** Access-log detail where something other than RBAC decided: a refused token, a path that cannot be normalised. */
  details?: string;
  reached: boolean;
  /** Body bytes handed to the application. */
  applicationBytes: number;
}

/** Refusals nobody asked for (foreign clients) must not pile up. */
const REFUSALS_MAX = 1_024;

export class ExchangeLedger {
  readonly #records = new Map<string, ExchangeRecord>();
  readonly #refusals = new Map<string, InboundRefusal>();

  open(requestId: string): ExchangeRecord {
    const record: ExchangeRecord = { reached: false, applicationBytes: 0 };
    this.#records.set(requestId, record);
    return record;
  }

  find(requestId: string | readonly string[] | undefined): ExchangeRecord | undefined {
    return typeof requestId === 'string' ? this.#records.get(requestId) : undefined;
  }

  close(requestId: string): void {
    this.#records.delete(requestId);
  }

  refused(refusal: InboundRefusal): void {
    if (this.#refusals.size >= REFUSALS_MAX) {
      for (const oldest of this.#refusals.keys()) {
        this.#refusals.delete(oldest);
        break;
      }
    }
    this.#refusals.set(keyOf(refusal.remote), refusal);
  }

  /** Why the server refused the connection that came from `local`; asked once. */
  takeRefusal(local: Address): InboundRefusal | undefined {
    const key = keyOf(local);
    const refusal = this.#refusals.get(key);
    this.#refusals.delete(key);
    return refusal;
  }
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
