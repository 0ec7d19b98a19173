/**
 * The applications of a mesh: one for each port, made when it is first needed.
 * @module
 */
import type { Workload } from '../istio/index.ts';
import { type ApplicationOption, echoApplication, echoTcp } from './application.ts';
import { applicationOf, ApplicationPort, type ApplicationTable } from './application-port.ts';
import type { Witnesses } from './witnesses.ts';

export class Applications implements AsyncDisposable {
  readonly #made: ApplicationPort[] = [];
  readonly #witnesses: Witnesses;

  constructor(witnesses: Witnesses) {
    this.#witnesses = witnesses;
  }

  /** What a workload's container has behind each port; one that echoes where the table names none. */
  of(table: ApplicationTable, name: string, workload: Workload): (port: number) => ApplicationPort {
    const ports = new Map<number, ApplicationPort>();
    return (port) => {
      const known = ports.get(port);
      if (known !== undefined) return known;
      const otherwise = { http: echoApplication(workload), tcp: echoTcp };
      const application = new ApplicationPort(
        watched(applicationOf(table, name, port) ?? otherwise, name, this.#witnesses),
        port,
      );
      ports.set(port, application);
      this.#made.push(application);
      return application;
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#made.map((application) => application.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Requests that a function in process is handed are witnessed; bytes of real programs are not. */
function watched(option: ApplicationOption, name: string, witnesses: Witnesses): ApplicationOption {
  if (typeof option === 'function') return witnesses.watch(name, option);
  return option.http === undefined ? option : { ...option, http: witnesses.watch(name, option.http) };
}
