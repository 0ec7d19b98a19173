/**
 * The order in which steps of one group run.
 * @module
 */
import { didYouMean } from '../core/index.ts';
import { invalid } from './document.ts';
import type { Step } from './model.ts';

/**
 * Steps so that each comes after all it waits for; among those that could run, in the order they are written.
 * @throws MeshError `ERR_LOWCODE_INVALID` on a cycle or a step that does not exist
 */
export function stepOrder(steps: readonly Step[]): readonly Step[] {
  const ids = new Set(steps.map(({ id }) => id));
  for (const step of steps) {
    for (const { step: name, source } of step.runAfter) {
      if (ids.has(name)) continue;
      const others = [...ids].filter((id) => id !== step.id);
      throw invalid(
        `\`${step.id}\` runs after \`${name}\`, which is not a step beside it${didYouMean(name, others)}`,
        source,
      );
    }
  }
  const order: Step[] = [];
  const done = new Set<string>();
  let rest = [...steps];
  while (rest.length > 0) {
    const ready = rest.find((step) => step.runAfter.every((wait) => done.has(wait.step)));
    if (ready === undefined) {
      const [stuck] = rest;
      const names = rest.map(({ id }) => `\`${id}\``).join(', ');
      throw invalid(`these steps wait for each other: ${names}`, stuck?.source ?? { file: '', line: 1, column: 1 });
    }
    order.push(ready);
    done.add(ready.id);
    rest = rest.filter((step) => step !== ready);
  }
  return order;
}
