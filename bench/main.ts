/**
 * `npm run bench`: `meshproof bench` with what only a clone has, the naive evaluator of the tests.
 * @module
 */
import { Command } from 'commander';
import { benchVerb } from '../src/cli/verbs/bench.ts';
import { naiveDecider } from './naive-decider.ts';

const program = new Command('meshproof');
benchVerb(program, { deciders: [naiveDecider] });
await program.parseAsync(['bench', ...process.argv.slice(2)], { from: 'user' });
