/**
 * A raw connection that is judged at the client's first bytes, once. What the application says before goes through: a
 * server-first protocol greets before anybody asks. A client that stays silent is never judged.
 *
 * Source: Envoy's network RBAC filter, `ONE_TIME_ON_FIRST_BYTE`.
 * @module
 */
import type { Duplex } from 'node:stream';

export class TcpGate {
  /** Told once: at the first bytes, or when the client leaves without any. */
  onVerdict: ((allowed: boolean) => void) | undefined;
  /** Bytes that went through to the application. */
  bytes = 0;
  readonly #client: Duplex;
  readonly #application: Duplex;
  readonly #judge: () => boolean;

  constructor(client: Duplex, application: Duplex, judge: () => boolean) {
    this.#client = client;
    this.#application = application;
    this.#judge = judge;
    for (const [one, other] of [
      [client, application],
      [application, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.once('close', () => {
        if (!one.readableEnded) other.destroy();
      });
    }
    application.pipe(client);
    client.once('data', this.#onFirst);
    client.once('end', this.#onEnd);
  }

  readonly #onFirst = (chunk: Buffer): void => {
    const allowed = this.#judge();
    if (!allowed) {
      this.#client.destroy();
      this.#application.destroy();
      this.onVerdict?.(false);
      return;
    }
    this.#client.on('data', (more: Buffer) => (this.bytes += more.length));
    this.bytes += chunk.length;
    this.#client.off('end', this.#onEnd);
    this.#application.write(chunk);
    this.#client.pipe(this.#application);
    this.onVerdict?.(true);
  };

  /** Nothing was said, nothing was judged. */
  readonly #onEnd = (): void => {
    this.#application.end();
    this.onVerdict?.(true);
  };
}
