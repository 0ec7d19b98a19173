/**
 * Who wants to hear, at the applications and ports themselves, what reached them and what did not: for counts that
 * hold for foreign clients too.
 * @module
 */
import type { InboundRefusal } from '../wire/index.ts';
import type { Application, ApplicationRequest } from './application.ts';

/** A request that reached an application. */
export interface Served {
  /** `namespace/workload` */
  readonly workload: string;
  readonly request: ApplicationRequest;
}

/** A connection that a workload's port refused. */
export interface Refused {
  /** `namespace/workload` */
  readonly workload: string;
  readonly refusal: InboundRefusal;
}

export class Witnesses {
  readonly #served = new Set<(served: Served) => void>();
  readonly #refused = new Set<(refused: Refused) => void>();

  onServed(read: (served: Served) => void): Disposable {
    this.#served.add(read);
    return { [Symbol.dispose]: () => void this.#served.delete(read) };
  }

  onRefused(read: (refused: Refused) => void): Disposable {
    this.#refused.add(read);
    return { [Symbol.dispose]: () => void this.#refused.delete(read) };
  }

  refused(workload: string, refusal: InboundRefusal): void {
    for (const read of this.#refused) read({ workload, refusal });
  }

  /** The same application, watched. */
  watch(workload: string, application: Application): Application {
    return (request) => {
      for (const read of this.#served) read({ workload, request });
      return application(request);
    };
  }
}
