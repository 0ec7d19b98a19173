/**
 * `meshproof serve -o json` as a process of its own, and real client programs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { REPOSITORY, run } from './command-line.ts';

export interface ServedPort {
  readonly port: number;
  readonly protocol: string;
  readonly mode: string;
  readonly address: string;
  /** Of a gateway, PEM. */
  readonly certificate?: string;
}

export interface Served {
  readonly workload: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly host: string;
  readonly inbound: readonly ServedPort[];
  readonly outbound: string;
}

export interface ServedMesh {
  of(workload: string): Served;
  readonly forwards: readonly { readonly from: string; readonly to: string; readonly address: string }[];
  /** Lines after the first, so far. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** Ends it; resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export async function serve(...args: readonly string[]): Promise<ServedMesh> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), 'src/cli/main.ts', 'serve', '-o', 'json', ...args],
    { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  let complaint = '';
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines: Record<string, unknown>[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (line) => {
      lines.push(JSON.parse(line));
      resolve();
    });
    void exited.then((code) => reject(new Error(`serve ended with ${code}: ${complaint}`)));
  });
  await ready;
  const [first] = lines;
  const { workloads, forwards = [] } = first as unknown as {
    workloads: readonly Served[];
    forwards?: ServedMesh['forwards'];
  };
  return {
    of(name) {
      const found = workloads.find(({ workload }) => workload === name);
      if (found === undefined) throw new Error(`no ${name}`);
      return found;
    },
    forwards,
    get events() {
      return lines.slice(1);
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

/** The body and, last, what `-w` writes. */
export async function curl(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly out: string }> {
  const { code, stdout } = await run('curl', ['-s', '--max-time', '20', ...args]);
  return { code, out: stdout };
}
