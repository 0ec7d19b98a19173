/**
 * Control flow of a client: `runAfter`, conditions, loops, scopes.
 *
 * A step runs once everything it waits for has ended in one of the ways it names; where one ended otherwise the step is
 * skipped. A group of steps (scope, branch, loop, the flow itself) failed where the last step of one of its branches
 * did; a skipped last step counts as the one before it.
 * Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-exception-handling
 * @module
 */
import { assertNever, messageOf, MeshError } from '../core/index.ts';
import { makeCall } from './call.ts';
import { isList, isObject, type Json, objectOf, parseJson, typeName } from './json.ts';
import { callsOf, childrenOf, type Step, type StepStatus } from './model.ts';
import { RUN_STEPS_MAX, type RunState } from './run-state.ts';
import { stepOrder } from './step-order.ts';
import { evaluateCondition } from './wdl/condition.ts';
import { textOf } from './wdl/scope.ts';

/** Items a loop may have. */
export const LOOP_ITEMS_MAX = 1_000;

const ENDED: Readonly<Record<StepStatus, string>> = {
  Succeeded: 'succeeded',
  Failed: 'failed',
  Skipped: 'was skipped',
  TimedOut: 'timed out',
};

/** Ends the whole flow; never leaves this module. */
class Terminated extends Error {
  readonly status: string;

  constructor(status: string) {
    super(`terminated as ${status}`);
    this.status = status;
  }
}

/** Runs all steps of a client. */
export async function runFlow(steps: readonly Step[], state: RunState): Promise<'Succeeded' | 'Failed' | 'Cancelled'> {
  try {
    return (await runGroup(steps, state)) === 'Succeeded' ? 'Succeeded' : 'Failed';
  } catch (error) {
    if (!(error instanceof Terminated)) throw error;
    const seen = new Set(state.calls.map(({ id }) => id));
    for (const { id } of callsOf(steps)) {
      if (!seen.has(id)) skipCall(id, 'the flow was terminated before', state);
    }
    return error.status === 'Succeeded' || error.status === 'Cancelled' ? error.status : 'Failed';
  }
}

async function runGroup(steps: readonly Step[], state: RunState): Promise<StepStatus> {
  const statuses = new Map<string, StepStatus>();
  for (const step of stepOrder(steps)) {
    const unmet = step.runAfter.find((wait) => !wait.statuses.includes(statuses.get(wait.step) ?? 'Skipped'));
    if (unmet === undefined) statuses.set(step.id, await runStep(step, state));
    else {
      const ended = ENDED[statuses.get(unmet.step) ?? 'Skipped'];
      const wanted = unmet.statuses.map((status) => ENDED[status].replace('was ', 'been ')).join(' or ');
      skip(step, `it waits for \`${unmet.step}\` to have ${wanted}, which ${ended}`, state);
      statuses.set(step.id, 'Skipped');
    }
  }
  return groupStatus(steps, statuses);
}

function groupStatus(steps: readonly Step[], statuses: ReadonlyMap<string, StepStatus>): StepStatus {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const waitedFor = new Set(steps.flatMap((step) => step.runAfter.map((wait) => wait.step)));
  const seen = new Set<string>();
  const pending = steps.filter((step) => !waitedFor.has(step.id));
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if (seen.has(step.id)) continue;
    seen.add(step.id);
    const status = statuses.get(step.id);
    if (status === 'Failed' || status === 'TimedOut') return 'Failed';
    if (status !== 'Skipped') continue;
    for (const wait of step.runAfter) {
      const before = byId.get(wait.step);
      if (before !== undefined) pending.push(before);
    }
  }
  return 'Succeeded';
}

async function runStep(step: Step, state: RunState): Promise<StepStatus> {
  if (!state.countStep()) {
    state.errors.push({ step: step.id, message: `the flow took more than ${RUN_STEPS_MAX} steps` });
    throw new Terminated('Failed');
  }
  try {
    if (step.kind === 'call') return await makeCall(step.call, state);
    const outputs = await runControl(step, state);
    state.actions.set(step.id, { status: outputs.status, outputs: objectOf([['body', outputs.body ?? null]]) });
    if (step.kind === 'compose') state.actions.set(step.id, { status: 'Succeeded', outputs: outputs.body ?? null });
    return outputs.status;
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'ERR_EXPRESSION') throw error;
    state.errors.push({ step: step.id, message: messageOf(error) });
    for (const child of childrenOf(step)) skip(child, `\`${step.id}\` failed`, state);
    state.actions.set(step.id, { status: 'Failed', outputs: null });
    return 'Failed';
  }
}

interface ControlResult {
  readonly status: StepStatus;
  readonly body?: Json;
}

async function runControl(step: Exclude<Step, { kind: 'call' }>, state: RunState): Promise<ControlResult> {
  switch (step.kind) {
    case 'compose':
      return { status: 'Succeeded', body: state.evaluate(step.value) };
    case 'parse-json':
      return { status: 'Succeeded', body: parsedContent(state.evaluate(step.content), state) };
    case 'set-variable':
      setVariable(step, state);
      return { status: 'Succeeded' };
    case 'if': {
      const holds = evaluateCondition(step.condition, (template) => state.evaluate(template));
      const [chosen, other] = holds ? [step.whenTrue, step.whenFalse] : [step.whenFalse, step.whenTrue];
      for (const child of other) skip(child, `the condition of \`${step.id}\` was ${String(holds)}`, state);
      return { status: await runGroup(chosen, state) };
    }
    case 'foreach':
      return { status: await runLoop(step, state) };
    case 'scope':
      return { status: await runGroup(step.steps, state) };
    case 'response':
      state.response = { status: state.evaluate(step.status), body: state.evaluate(step.body) };
      return { status: 'Succeeded' };
    case 'terminate':
      throw new Terminated(step.status);
    case 'unsupported': {
      const given = state.given(step.id);
      if (given !== undefined) return { status: 'Succeeded', body: given };
      skip(step, '', state);
      state.errors.push({
        step: step.id,
        message: `\`${step.type}\` is not modelled; give a value for \`${step.id}\``,
      });
      return { status: 'Skipped' };
    }
  }
  return assertNever(step);
}

async function runLoop(step: Extract<Step, { kind: 'foreach' }>, state: RunState): Promise<StepStatus> {
  const items = state.evaluate(step.items);
  if (!isList(items)) throw new MeshError('ERR_EXPRESSION', `a loop needs an array, not ${typeName(items)}`);
  if (items.length > LOOP_ITEMS_MAX) {
    throw new MeshError('ERR_EXPRESSION', `a loop over ${items.length} items exceeds ${LOOP_ITEMS_MAX}`);
  }
  if (items.length === 0) for (const child of step.steps) skip(child, `\`${step.id}\` has no items`, state);
  let status: StepStatus = 'Succeeded';
  for (const item of items) {
    state.loops.push({ name: step.id, item });
    try {
      if ((await runGroup(step.steps, state)) !== 'Succeeded') status = 'Failed';
    } finally {
      state.loops.pop();
    }
  }
  return status;
}

function parsedContent(content: Json, state: RunState): Json {
  if (typeof content !== 'string') return content;
  const value = parseJson(content);
  state.redactor.derived([content], value);
  return value;
}

function setVariable(step: Extract<Step, { kind: 'set-variable' }>, state: RunState): void {
  const { name, operation } = step;
  const value = state.evaluate(step.value);
  const before = state.variables.get(name);
  if (operation === 'initialize') {
    if (before !== undefined) throw new MeshError('ERR_EXPRESSION', `variable \`${name}\` exists already`);
    state.variables.set(name, value);
    return;
  }
  if (before === undefined) throw new MeshError('ERR_EXPRESSION', `variable \`${name}\` was never initialized`);
  state.variables.set(name, changed(operation, before, value, name));
}

function changed(operation: string, before: Json, value: Json, name: string): Json {
  switch (operation) {
    case 'append-string':
      return textOf(before) + textOf(value);
    case 'append-array':
      if (isList(before)) return [...before, value];
      break;
    case 'increment':
    case 'decrement':
      if (typeof before === 'number' && typeof value === 'number') {
        return operation === 'increment' ? before + value : before - value;
      }
      break;
    default:
      return value;
  }
  const wanted = isObject(before) ? 'an object' : typeName(before);
  throw new MeshError('ERR_EXPRESSION', `variable \`${name}\` is ${wanted}: it cannot be changed like this`);
}

function skip(step: Step, reason: string, state: RunState): void {
  if (step.kind === 'call') skipCall(step.id, reason, state);
  for (const child of childrenOf(step)) skip(child, reason, state);
  state.actions.set(step.id, { status: 'Skipped', outputs: null });
}

function skipCall(id: string, reason: string, state: RunState): void {
  state.calls.push({ id, outcome: 'Skipped', skipped: reason, attempts: 0 });
}
