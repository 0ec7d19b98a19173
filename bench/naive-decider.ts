/**
 * The evaluator that reads every rule of every policy, in the order of Istio's documentation: the oracle of the tests.
 * @module
 */
import type { ExtraDecider } from '../src/bench/index.ts';
import { naiveAuthorize } from '../test/differential/naive-authorization.ts';

export const naiveDecider: ExtraDecider = {
  name: 'naive evaluator',
  decide: (config, request) => naiveAuthorize(config, request).decision === 'allow',
};
