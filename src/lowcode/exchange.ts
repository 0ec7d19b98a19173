/**
 * What a run and its caller exchange: calls going out, answers coming back, and what is said of each.
 * @module
 */
import type { Instant, Rng } from '../core/index.ts';
import type { Json } from './json.ts';
import type { StepStatus } from './model.ts';

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
