/**
 * Runs a client: evaluates the templates of its calls and hands every call to `send`, in the order its flow says.
 *
 * Time does not pass while a client runs, but for the pauses between retries. One call at a time: branches and loops
 * that the products may run in parallel run in the order they are written. `postgresql` resources are connections, not
 * calls, and are not opened.
 * @module
 */
import type { Instant, Rng } from '../core/index.ts';
import { runFlow } from './flow.ts';
import type { LowCodeFinding } from './finding.ts';
import { DEFAULT_GATEWAY_HOSTS } from './gateway.ts';
import { type Json, toJson } from './json.ts';
import type { LowCodeClient, StepStatus } from './model.ts';
import { Redactor } from './redactor.ts';
import { RunState } from './run-state.ts';

/** A call as it is to be sent. It carries secrets in the clear: hand it on, never print it. */
export interface OutgoingCall {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Path and query, normalised. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  /** Whether the URL's host is the gateway's. */
  readonly viaGateway: boolean;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Text that says it is JSON is read as JSON. */
  readonly body: unknown;
  /** What the mesh can show for this answer; copied into the result with secrets hidden. */
  readonly evidence?: unknown;
  /** No answer came within `timeoutMs`. */
  readonly timedOut?: boolean;
}

export interface RunOptions {
  readonly send: (call: OutgoingCall) => Promise<CallAnswer>;
  readonly secrets: (name: string) => string | undefined;
  readonly now: Instant;
  readonly rng: Rng;
  /** Body of what started the flow. @defaultValue null */
  readonly trigger?: Json;
  /** @defaultValue `DEFAULT_GATEWAY_HOSTS` */
  readonly gatewayHosts?: readonly string[];
  /** Also sends calls that bypass the gateway; they are findings all the same. @defaultValue false */
  readonly allowOtherHosts?: boolean;
  /**
   * Values for names an export cannot hold: widgets of a screen (`editEmail`), results of steps that are not modelled,
   * parameters of a flow.
   */
  readonly values?: Readonly<Record<string, Json>>;
}

export interface CallResult {
  readonly id: string;
  /** HTTP status of the last attempt; absent where nothing was sent or nothing came back. */
  readonly status?: number;
  readonly outcome: StepStatus;
  /** Why the call was not made. */
  readonly skipped?: string;
  /** Why the call failed without an answer. */
  readonly error?: string;
  /** `POST https://host/path` */
  readonly request?: string;
  readonly attempts: number;
  readonly evidence?: unknown;
}

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
