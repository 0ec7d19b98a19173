/**
 * The wire's single seam: latency, loss, partition, tampering, taps and attacks are rules on links.
 *
 * A link that no rule matches is a direct socket and costs nothing. A rule interposes a relay on loopback for the
 * connections that are opened while it is installed; connections that are already open stay as they are. A rule that is
 * removed, or out of its window of time, lets go of the bytes of the connections it was interposed on.
 * @module
 */
import type { Address, AddressBook, VirtualPeer } from './address-book.ts';
import { Relay } from './relay.ts';
import type { ConnectFate, Link, WireRule } from './wire-rule.ts';

/** The way one new connection takes. */
export type Passage =
  | {
      readonly ok: true;
      readonly address: Address;
      /** Where the lines of the connection's key log go; absent: nobody may have them. */
      readonly onSecret?: (line: Uint8Array) => void;
      /** The end that the server sees, once it does. */
      onward(): Address | undefined;
      release(): void;
    }
  | { readonly ok: false; readonly reason: string; readonly detail: string };

export interface PassageOptions {
  /** Where the connection would go without rules. */
  readonly address: Address;
  /** Who dials, as the far end is to know it. */
  readonly source: VirtualPeer;
}

export class Seam implements AsyncDisposable {
  readonly #addresses: AddressBook;
  /** Each with the question whether it is in force now. */
  readonly #rules = new Map<WireRule, () => boolean>();
  readonly #relays = new Set<Relay>();
  #relayed = 0;

  constructor(addresses: AddressBook) {
    this.#addresses = addresses;
  }

  /**
   * Applies `rule` to connections opened from now on, until the handle is disposed. Rules apply in this order.
   * @param isInForce asked for every connection and every chunk: a window of virtual time
   */
  install(rule: WireRule, isInForce: () => boolean = always): Disposable {
    this.#rules.set(rule, isInForce);
    return { [Symbol.dispose]: () => void this.#rules.delete(rule) };
  }

  /** Names of the rules in force, in order. */
  get rules(): readonly string[] {
    return [...this.#rules.keys()].map(({ name }) => name);
  }

  /** The way of a new connection on `link`; `undefined`: straight on, nothing is interposed. */
  passage(link: Link, options: PassageOptions): Promise<Passage> | undefined {
    if (this.#rules.size === 0) return undefined;
    const rules = [...this.#rules.keys()].filter(
      (rule) => isInterposed(rule) && this.#isInForce(rule) && rule.matches(link),
    );
    return rules.length === 0 ? undefined : this.#through(rules, link, options);
  }

  /** Virtual time by which an exchange on `link` takes longer at present. */
  virtualDelayMs(link: Link): number {
    let sum = 0;
    for (const rule of this.#rules.keys()) {
      if (rule.virtualDelayMs !== undefined && this.#isInForce(rule) && rule.matches(link))
        sum += rule.virtualDelayMs(link);
    }
    return sum;
  }

  #isInForce(rule: WireRule): boolean {
    return this.#rules.get(rule)?.() === true;
  }

  async #through(rules: readonly WireRule[], link: Link, options: PassageOptions): Promise<Passage> {
    const { fate, detail } = firstFate(rules, link);
    if (fate === 'refuse') return { ok: false, reason: 'connection_refused', detail };
    if (fate === 'blackhole') return { ok: false, reason: 'connect_timeout', detail };
    this.#relayed += 1;
    const relay = await Relay.open({
      id: this.#relayed,
      link,
      rules,
      isInForce: (rule) => this.#isInForce(rule),
      target: fate === 'reset' ? undefined : fate === 'pass' ? options.address : fate.redirect,
      enter: (ends) => this.#addresses.register(ends, options.source),
    });
    this.#relays.add(relay);
    void relay.closed.then(() => this.#relays.delete(relay));
    const listeners = rules.filter((rule) => rule.onSecret !== undefined);
    return {
      ok: true,
      address: relay.address,
      onward: () => relay.onward,
      release: () => relay.release(),
      ...(listeners.length > 0 && {
        onSecret: (line) => {
          for (const rule of listeners) if (this.#isInForce(rule)) rule.onSecret?.(link, line);
        },
      }),
    };
  }

  /** Relays that carry a connection, or wait for one. */
  get relays(): number {
    return this.#relays.size;
  }

  /** Removes all rules and cuts every relayed connection. Idempotent. */
  async close(): Promise<void> {
    this.#rules.clear();
    await Promise.all([...this.#relays].map((relay) => relay.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A rule that only knows of virtual delays leaves the socket direct. */
export function isInterposed(rule: WireRule): boolean {
  const parts = ['onConnect', 'onOpen', 'onBytes', 'onSecret', 'onClose', 'delayMs'] as const;
  return rule.virtualDelayMs === undefined || parts.some((part) => rule[part] !== undefined);
}

function firstFate(rules: readonly WireRule[], link: Link): { readonly fate: ConnectFate; readonly detail: string } {
  for (const rule of rules) {
    const fate = rule.onConnect?.(link) ?? 'pass';
    if (fate !== 'pass') return { fate, detail: `rule \`${rule.name}\`` };
  }
  return { fate: 'pass', detail: '' };
}

function always(): boolean {
  return true;
}
