/**
 * `npm run bench`: `meshproof bench` with what only a clone has, the naive evaluator of the tests.
 *
 * What is measured is the compiled program, as an installation has it: the loader that runs TypeScript names every
 * function anew each time one is made, which costs a request a third of its speed.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type * as benchModule from '../src/cli/verbs/bench.ts';
import { naiveDecider } from './naive-decider.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });

const compiled: typeof benchModule = await import(join(ROOT, 'dist/cli/verbs/bench.js'));
const program = new Command('meshproof');
compiled.benchVerb(program, { deciders: [naiveDecider] });
await program.parseAsync(['bench', ...process.argv.slice(2)], { from: 'user' });
