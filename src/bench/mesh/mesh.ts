/**
 * What a mesh costs to have: start-up and memory, requests through two sidecars, virtual time.
 *
 * Clients and servers share this process in every row but the pairs of proxies, whose proxies are a process of their own:
 * on two cores those have twice the machine. Goals: `mesh.request` at least 0.85 of bare undici over mutual TLS; the
 * brief's mesh through 24 virtual hours in 4 s. There are no worker threads, so there is no speed-up of theirs to show.
 * @module
 */
import { runScenario } from '../../mesh/index.ts';
import type { Aim, Bench, BenchContext, Findings, Measurement, Skipped, Table } from '../bench.ts';
import { runFleet } from '../fleet-job.ts';
import { identitiesOf } from '../handshake/endpoint.ts';
import { type Contender, measurementOf, takeTurns, timed } from '../rounds.ts';
import { growingSeries } from '../growing-series.ts';
import { bareProxyWay, OUTBOUND, outboundWay } from './outbound-contenders.ts';
import { proxyPairs } from './proxy-pairs.ts';
import { BARE, bareWays, CONCURRENCY, meshWay, OURS, type Way } from './request-contenders.ts';

export interface MeshParameters {
  readonly fleets: readonly number[];
  readonly rounds: number;
  /** Requests a turn. */
  readonly requests: number;
  /** Virtual time of the brief's mesh. */
  readonly virtualHours: number;
  readonly runs: number;
  /** Pairs of proxies of other makers. */
  readonly installed: boolean;
}

export const meshBench: Bench<MeshParameters> = {
  name: 'mesh',
  question: 'What does a mesh cost to start, to hold, to send requests through, and to let time pass in?',
  parameters: {
    smoke: { fleets: [3], rounds: 1, requests: 50, virtualHours: 0.25, runs: 1, installed: false },
    full: { fleets: [10, 100, 1_000], rounds: 15, requests: 2_000, virtualHours: 24, runs: 5, installed: true },
  },
  measure,
};

async function measure(parameters: MeshParameters, context: BenchContext): Promise<Findings> {
  const { fleets } = parameters;
  const requests = await requestRate(parameters, context);
  const outbound = await outboundRate(parameters, context);
  const time = await virtualTime(parameters, context);
  const sizes: Measurement[] = [];
  for (const workloads of fleets) {
    context.progress(`starting ${workloads} workloads`);
    sizes.push(await sizeOf(workloads));
  }
  const points = fleets.map((x, i) => ({ x, y: sizes[i]?.median ?? Number.NaN }));
  return {
    tables: [
      requests.table,
      outbound.table,
      time.table,
      { title: 'Memory with every link connected', measurements: sizes },
    ],
    curves: [
      {
        title: 'Memory of a mesh with every link connected',
        xLabel: 'workloads',
        yLabel: 'MB',
        series: [growingSeries('meshproof', points)],
      },
    ],
    aims: [...requests.aims, outbound.aim, ...time.aims],
    skipped: requests.skipped,
  };
}

async function requestRate(
  { rounds, requests, installed }: MeshParameters,
  context: BenchContext,
): Promise<{ readonly table: Table; readonly aims: readonly Aim[]; readonly skipped: readonly Skipped[] }> {
  context.progress('requests');
  const identities = identitiesOf('ecdsa-p256');
  const pairs = installed
    ? await proxyPairs(identities)
    : { ways: [], skipped: [{ what: 'pairs of nginx and HAProxy', why: 'not at this size' }] };
  const ways = [...(await bareWays(identities)), await meshWay(), ...pairs.ways];
  const contenders = ways.map((way) => requestsPerSecond(way, requests));
  const title = `Requests over ${CONCURRENCY} open connections of mutual TLS`;
  const table = await takeTurns(contenders, { title, unit: '/s', moreIsBetter: true, rounds });
  for (const way of ways.toReversed()) await way[Symbol.asyncDispose]();
  const figure = measurementOf(table, OURS).ratio?.value ?? Number.NaN;
  const cpuOf = (name: string): number => measurementOf(table, name).also['CPU µs each'] ?? Number.NaN;
  const aim = (by: string, reached: number): Aim => ({
    what: `${OURS} through two sidecars over ${BARE}, ${by}`,
    limit: 0.85,
    atMost: false,
    unit: 'x',
    figure: reached,
  });
  return {
    table,
    aims: [aim('rate', figure), aim('CPU time, bare over ours', cpuOf(BARE) / cpuOf(OURS))],
    skipped: pairs.skipped,
  };
}

/** With the caller's own hop to its sidecar, as a real program has it. */
async function outboundRate(
  { rounds, requests }: MeshParameters,
  context: BenchContext,
): Promise<{ readonly table: Table; readonly aim: Aim }> {
  context.progress('requests through an outbound port');
  const ways = [await bareProxyWay(identitiesOf('ecdsa-p256')), await outboundWay()];
  const contenders = ways.map((way) => requestsPerSecond(way, requests));
  const title = `Requests through a proxy over ${CONCURRENCY} connections`;
  const table = await takeTurns(contenders, { title, unit: '/s', moreIsBetter: true, rounds });
  for (const way of ways.toReversed()) await way[Symbol.asyncDispose]();
  const figure = measurementOf(table, OUTBOUND).ratio?.value ?? Number.NaN;
  const what = 'the outbound port over a bare two-hop proxy, by rate';
  return { table, aim: { what, limit: 0.9, atMost: false, unit: 'x', figure } };
}

function requestsPerSecond(way: Way, requests: number): Contender {
  return {
    name: way.name,
    turn: async () => {
      let left = requests;
      const { wallMs, cpuMs } = await timed(() =>
        Promise.all(
          Array.from({ length: CONCURRENCY }, async () => {
            while (left-- > 0) await way.request();
          }),
        ),
      );
      return { value: (1_000 * requests) / wallMs, also: { 'CPU µs each': (1_000 * cpuMs) / requests } };
    },
  };
}

const AIMED_HOURS = 24;

async function virtualTime(
  { virtualHours, runs }: MeshParameters,
  context: BenchContext,
): Promise<{ readonly table: Table; readonly aims: readonly Aim[] }> {
  let modelled = 0;
  const turn: Contender['turn'] = async () => {
    context.progress(`the brief's mesh, ${virtualHours} virtual hours`);
    let connections = 0;
    let real = 0;
    const { wallMs, cpuMs } = await timed(async () => {
      const { mesh, ok } = await runScenario('01-shop', { for: `${virtualHours}h` });
      if (!ok) throw new Error('the shop did not do as expected');
      modelled = 0;
      const last = new Map<string, number>();
      for (const event of mesh.events) {
        if (event.kind === 'request.completed') real++;
        if (event.kind !== 'traffic.recorded') continue;
        modelled += event.requests;
        last.set(event.flow, event.connections);
      }
      connections = [...last.values()].reduce((sum, count) => sum + count, 0);
      await mesh.close();
    });
    return {
      value: wallMs / 1_000,
      also: {
        'CPU s': cpuMs / 1_000,
        'virtual h/s': (1_000 * virtualHours) / wallMs,
        'model requests/s': (1_000 * modelled) / wallMs,
        'real requests/s': (1_000 * real) / wallMs,
        connections,
      },
    };
  };
  const title = `The brief's mesh, ${virtualHours} virtual hours from start to finish`;
  const table = await takeTurns([{ name: 'meshproof', turn }], {
    title,
    unit: 's',
    rounds: runs,
    warmUp: runs > 1 ? 1 : 0,
    reference: false,
  });
  if (virtualHours !== AIMED_HOURS) return { table, aims: [] };
  const one = measurementOf(table, 'meshproof');
  const what = "the brief's mesh, 24 virtual hours";
  const aim = (name: string, figure: number): Aim => ({ what: name, limit: 4, atMost: true, unit: 's', figure });
  return { table, aims: [aim(what, one.median), aim(`${what}, CPU time`, one.also['CPU s'] ?? Number.NaN)] };
}

async function sizeOf(workloads: number): Promise<Measurement> {
  const { startUp, work, startedMb, grownMb } = await runFleet({ kind: 'connect', workloads, key: 'ecdsa-p256' });
  return {
    name: `${workloads.toLocaleString('en-US')} workloads`,
    median: grownMb,
    unit: 'MB',
    moreIsBetter: false,
    rounds: [grownMb],
    also: {
      'start ms': startUp.wallMs,
      'start CPU ms each': startUp.cpuMs / workloads,
      'kB each, started': (1_024 * startedMb) / workloads,
      'kB each, connected': (1_024 * grownMb) / workloads,
      'CPU ms to connect each': work.cpuMs / workloads,
    },
  };
}
