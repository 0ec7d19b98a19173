/**
 * One job of a fleet in a process of its own, so that its memory and CPU time are its own. Takes the job as JSON in the
 * first argument, prints a report as JSON.
 * @module
 */
import { HOUR_MS, MINUTE_MS } from '../core/index.ts';
import type { KeyAlgorithm } from '../pki/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { FleetJob, FleetReport } from './fleet-job.ts';
import { fleetOf, nameOf } from './fleet.ts';
import { timed } from './rounds.ts';

/** Every certificate of 24 hours has been renewed once by then, and none twice. */
const ONCE_MS = 13 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;

function memoryMb(): number {
  return process.memoryUsage().rss / 2 ** 20;
}

async function start(workloads: number, key: KeyAlgorithm): Promise<Mesh> {
  const config = fleetOf(workloads);
  return Mesh.start({ config, ca: { key } });
}

/** Workloads in a ring: the one after this. */
function neighbours(workloads: number): (index: number) => { readonly from: string; readonly to: string } {
  return (index) => ({
    from: `default/${nameOf((index + workloads) % workloads)}`,
    to: `default/${nameOf((index + 1) % workloads)}`,
  });
}

async function call(mesh: Mesh, ends: { readonly from: string; readonly to: string }, fresh: boolean): Promise<void> {
  const outcome = await mesh.simulation.request({ ...ends, path: '/' }, { fresh });
  if (outcome.result !== 'allow') throw new Error(`${ends.from} to ${ends.to}: ${outcome.result}: ${outcome.reason}`);
}

/**
 * After every renewal two handshakes with the new certificate, as client and as server.
 * @returns how many were made so far
 */
function callAfterRenewals(mesh: Mesh, workloads: number): () => number {
  let handshakes = 0;
  const linkOf = neighbours(workloads);
  const renewed: number[] = [];
  mesh.events.subscribe((event) => {
    if (event.kind !== 'certificate.issued' || event.reason !== 'rotation') return;
    renewed.push(Number(event.spiffeId.slice(event.spiffeId.lastIndexOf('/w') + 2)));
    if (renewed.length > 1) return;
    mesh.clock.schedule(mesh.clock.now(), async () => {
      for (const index of renewed.splice(0)) {
        await call(mesh, linkOf(index), true);
        await call(mesh, linkOf(index - 1), true);
        handshakes += 2;
      }
    });
  });
  return () => handshakes;
}

async function perform({ kind, workloads, key }: FleetJob): Promise<FleetReport> {
  const before = memoryMb();
  let mesh: Mesh | undefined;
  const startUp = await timed(async () => {
    mesh = await start(workloads, key);
  });
  if (mesh === undefined) throw new Error('the mesh did not start');
  await using open = mesh;
  const startedMb = memoryMb();
  const handshakes = kind === 'traffic' ? callAfterRenewals(open, workloads) : (): number => 0;
  const work = await timed(async () => {
    if (kind === 'connect') {
      const linkOf = neighbours(workloads);
      for (let index = 0; index < workloads; index++) await call(open, linkOf(index), false);
    } else {
      const spanMs = kind === 'rotate' ? ONCE_MS : DAY_MS;
      // In steps, as a run does: what a step leaves behind can be collected.
      for (let done = 0; done < spanMs; done += 15 * MINUTE_MS) await open.clock.advance(15 * MINUTE_MS);
    }
  });
  let rotations = 0;
  for (const event of open.events) if (event.kind === 'certificate.issued' && event.reason === 'rotation') rotations++;
  return {
    startUp,
    work,
    rotations,
    handshakes: handshakes(),
    startedMb: startedMb - before,
    grownMb: memoryMb() - before,
    peakMb: process.resourceUsage().maxRSS / 1_024,
  };
}

const job: FleetJob = JSON.parse(process.argv[2] ?? '{}');
process.stdout.write(JSON.stringify(await perform(job)));
