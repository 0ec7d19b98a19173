/**
 * Runs a client: evaluates the templates of its calls and hands every call to `send`, in the order its flow says.
 *
 * Time does not pass while a client runs, but for the pauses between retries. One call at a time: branches and loops
 * that the products may run in parallel run in the order they are written. `postgresql` resources are connections, not
 * calls, and are not opened.
 * @module
 */
import type { CallResult, RunOptions } from './exchange.ts';
import { runFlow } from './flow.ts';
import type { LowCodeFinding } from './finding.ts';
import { DEFAULT_GATEWAY_HOSTS } from './gateway.ts';
import { type Json, toJson } from './json.ts';
import type { LowCodeClient } from './model.ts';
import { Redactor } from './redactor.ts';
import { RunState } from './run-state.ts';

export interface RunResult {
  readonly tool: string;
  readonly app: string;
  readonly status: 'Succeeded' | 'Failed' | 'Cancelled';
  readonly calls: readonly CallResult[];
  readonly findings: readonly LowCodeFinding[];
  /** Why steps that are not calls failed. */
  readonly errors: readonly { readonly step: string; readonly message: string }[];
  /** What the flow answered to its caller. */
  readonly response?: { readonly status: Json; readonly body: Json };
}

/**
 * Runs `client`. Failed calls, refused URLs and missing secrets are results, not exceptions.
 * @throws MeshError `ERR_LOWCODE_INVALID` where the flow's order has a cycle
 */
export async function runClient(client: LowCodeClient, options: RunOptions): Promise<RunResult> {
  const redactor = new Redactor();
  for (const name of client.secrets) redactor.add(options.secrets(name) ?? '');
  const state = new RunState(client, redactor, {
    ...options,
    trigger: toJson(options.trigger ?? null),
    gatewayHosts: options.gatewayHosts ?? DEFAULT_GATEWAY_HOSTS,
    allowOtherHosts: options.allowOtherHosts ?? false,
    values: options.values ?? {},
  });
  const status = await runFlow(client.steps, state);
  const result: RunResult = {
    tool: client.tool,
    app: client.app,
    status,
    calls: state.calls,
    findings: state.findings,
    errors: state.errors,
    ...(state.response === undefined ? {} : { response: state.response }),
  };
  // Last, so that secrets which became known late are hidden in what was recorded early as well.
  return redactor.value(result) as RunResult;
}
