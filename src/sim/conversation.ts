/**
 * A short exchange of bytes on a raw stream: says something, and listens until there is an answer, or an end.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { ExchangeRecord } from './exchange-ledger.ts';
import type { MeshConnection } from './request.ts';

/** Wall time after an answer's last bytes in which more may come. */
const QUIET_MS = 10;
/** Wall time a server may take to answer once it has the bytes; silence is an answer too. */
const SILENCE_MS = 300;

export interface Heard {
  readonly bytes: Buffer;
  /** Who ended it: the server, or the caller, who had heard enough. */
  readonly endedBy: 'server' | 'caller';
}

export function converse(
  stream: Duplex,
  { send = 'ping\n', until = 'answer' }: Pick<MeshConnection, 'send' | 'until'>,
  record: ExchangeRecord,
): Promise<Heard> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    const settle = (endedBy: Heard['endedBy']): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      resolve({ bytes: Buffer.concat(chunks), endedBy });
      stream.destroy();
    };
    const wait = (ms: number): void => {
      if (until === 'close') return;
      clearTimeout(timer);
      timer = setTimeout(() => settle('caller'), ms);
    };
    record.onVerdict = () => wait(chunks.length > 0 && record.reached ? QUIET_MS : SILENCE_MS);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // A greeting that comes before the verdict is no answer yet.
      if (record.reached) wait(QUIET_MS);
    });
    stream.on('error', () => undefined);
    stream.once('end', () => settle('server'));
    stream.once('close', () => settle('server'));
    if (record.reached) wait(SILENCE_MS);
    stream.write(send);
    if (until === 'close') stream.end();
  });
}
