/**
 * A turn of handshakes, one after the other, with what each side spent.
 * @module
 */
import type { Contender } from '../rounds.ts';
import { ascending, median, quantile } from '../statistics.ts';
import type { Client } from './clients.ts';
import type { Listening } from './server.ts';
import { type WireBytes, wireBytes } from './wire-bytes.ts';

export interface Pairing {
  readonly name: string;
  readonly client: Client;
  readonly server: Listening;
}

/** A contender whose figure is the median latency of a handshake in milliseconds. */
export async function handshakes({ name, client, server }: Pairing, count: number): Promise<Contender> {
  const { up, down }: WireBytes = await wireBytes(client, server.port);
  return {
    name,
    turn: async () => {
      const [serverBefore, clientBefore] = [await server.cpuMs(), process.cpuUsage()];
      const latencies: number[] = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        await client.handshake(server.port);
        latencies.push(performance.now() - start);
      }
      const spent = process.cpuUsage(clientBefore);
      const serverAfter = await server.cpuMs();
      const sorted = ascending(latencies);
      const clientMs = (spent.user + spent.system) / 1_000 / count;
      const serverMs =
        serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / count;
      return {
        value: median(latencies),
        also: {
          'p90 ms': quantile(sorted, 0.9),
          'p99 ms': quantile(sorted, 0.99),
          'client CPU ms': clientMs,
          ...(serverMs === undefined ? {} : { 'server CPU ms': serverMs }),
          'bytes up': up,
          'bytes down': down,
        },
      };
    },
  };
}
