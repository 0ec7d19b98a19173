/**
 * One comparison in a process of its own, cold. Takes the job as JSON in the first argument, prints a report as JSON.
 * @module
 */
import { diff } from '../analysis/index.ts';
import type { DiffJob, DiffReport } from './diff-job.ts';
import { policyGrid } from './policy-grid.ts';
import { timed } from './rounds.ts';

const { size, changed, clients }: DiffJob = JSON.parse(process.argv[2] ?? '');
const grid = { workloads: size, policies: size, clients: Math.min(clients, size) };
const before = policyGrid(grid);
const after = policyGrid({ ...grid, changed, clientMode: 'SIMPLE' });
let found = 0;
const spent = await timed(() => {
  found = diff(before, after).findings.length;
});
// One change lets something in and keeps something out.
if (found < 2 * changed) throw new Error(`${found} findings about ${changed} changes`);
const report: DiffReport = { ...spent, peakMb: process.resourceUsage().maxRSS / 1_024 };
process.stdout.write(JSON.stringify(report));
