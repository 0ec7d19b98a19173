/**
 * The handle on the process that holds the servers.
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { moduleArguments } from '../command-line.ts';
import type { Endpoint } from './endpoint.ts';

export type ServerQuestion =
  | { readonly id: number; readonly kind: 'open'; readonly endpoint: Endpoint }
  | { readonly id: number; readonly kind: 'cpu' };

interface ServerAnswer {
  readonly id: number;
  readonly value: number;
}

/** Where a server listens, and what its process has spent. */
export interface Listening {
  readonly port: number;
  /** Milliseconds of CPU time so far; absent where the system does not tell. */
  cpuMs(): Promise<number | undefined>;
}

export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: number) => void; readonly reject: (error: Error) => void }
  >();
  #questions = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ id, value }: ServerAnswer) => {
      this.#waiting.get(id)?.resolve(value);
      this.#waiting.delete(id);
    });
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the server process ended'));
    });
  }

  static async start(): Promise<ServerProcess> {
    const args = moduleArguments('bench/handshake/server-process.ts');
    const child = fork(args.at(-1) ?? '', [], {
      execArgv: args.slice(0, -1),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const server = new ServerProcess(child);
    await server.#ask((id) => ({ id, kind: 'cpu' }));
    return server;
  }

  async open(endpoint: Endpoint): Promise<Listening> {
    const port = await this.#ask((id) => ({ id, kind: 'open', endpoint }));
    return { port, cpuMs: () => this.#ask((id) => ({ id, kind: 'cpu' })) };
  }

  #ask(question: (id: number) => ServerQuestion): Promise<number> {
    const asked = question(this.#questions++);
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked.id, { resolve, reject });
      this.#child.send(asked);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }
}
