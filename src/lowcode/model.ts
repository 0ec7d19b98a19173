/**
 * The neutral model every low-code export is read into: the HTTP calls a program makes, the control flow around
 * them, the connections it holds, the secrets it needs, and what was left out.
 *
 * Screens, widgets, connectors with their own logins and free JavaScript are not modelled; whatever an export holds of
 * them is listed under `ignored` with its position, so a user can always tell.
 * @module
 */
import { assertNever } from '../core/index.ts';
import type { SourcePosition } from '../istio/index.ts';
import type { Json } from './json.ts';

export type LowCodeTool = 'retool' | 'power-automate' | 'appsmith' | 'openapi';

/** How strings of this client are written: `@f(x)` or `{{ x }}`. */
export type Dialect = 'wdl' | 'mustache';

/** When a call is made. */
export type CallTrigger = 'load' | 'schedule' | 'event';

/** A header or query parameter whose value is a template. */
export interface NamedTemplate {
  readonly name: string;
  readonly value: Json;
  readonly source: SourcePosition;
}

/** `authentication` of a call: its fields are templates. */
export interface CallAuth {
  readonly type: string;
  readonly fields: readonly NamedTemplate[];
  readonly source: SourcePosition;
}

export interface CallRetry {
  readonly policy: 'fixed' | 'exponential';
  /** Attempts after the first. */
  readonly count: number;
  readonly intervalMs: number;
}

/** One HTTP call. `url`, header values, `query` and `body` are templates of the client's dialect. */
export interface LowCodeCall {
  readonly id: string;
  readonly method: string;
  /** Absolute, or, where `resource` is set, relative to that resource's base URL. */
  readonly url: string;
  readonly urlSource: SourcePosition;
  readonly resource?: string;
  readonly headers: readonly NamedTemplate[];
  readonly query: readonly NamedTemplate[];
  readonly body?: Json;
  readonly auth?: CallAuth;
  readonly timeoutMs?: number;
  readonly retry?: CallRetry;
  /** The tool was told not to verify the server's certificate. */
  readonly skipsTlsVerification?: boolean;
  readonly on: CallTrigger;
  /** Steps this one waits for. */
  readonly after: readonly string[];
  readonly source: SourcePosition;
}

/** How a step of a flow ended; the words of Workflow Definition Language. */
export type StepStatus = 'Succeeded' | 'Failed' | 'Skipped' | 'TimedOut';

export interface RunAfter {
  readonly step: string;
  readonly statuses: readonly StepStatus[];
  readonly source: SourcePosition;
}

interface StepBase {
  /** Unique in the client. */
  readonly id: string;
  /** Empty: starts with its surroundings. */
  readonly runAfter: readonly RunAfter[];
  readonly source: SourcePosition;
}

/** What a client does, as a tree. Every call of it is also in `LowCodeClient.calls`. */
export type Step = StepBase &
  (
    | { readonly kind: 'call'; readonly call: LowCodeCall }
    | { readonly kind: 'compose'; readonly value: Json }
    | { readonly kind: 'parse-json'; readonly content: Json }
    | {
        readonly kind: 'set-variable';
        readonly operation: VariableOperation;
        readonly name: string;
        readonly value: Json;
      }
    | {
        readonly kind: 'if';
        readonly condition: Json;
        readonly whenTrue: readonly Step[];
        readonly whenFalse: readonly Step[];
      }
    | { readonly kind: 'foreach'; readonly items: Json; readonly steps: readonly Step[] }
    | { readonly kind: 'scope'; readonly steps: readonly Step[] }
    | { readonly kind: 'response'; readonly status: Json; readonly body: Json }
    | { readonly kind: 'terminate'; readonly status: string }
    | { readonly kind: 'unsupported'; readonly type: string }
  );

export type VariableOperation = 'initialize' | 'set' | 'append-string' | 'append-array' | 'increment' | 'decrement';

/** A connection the tool holds, named so that calls can refer to it. */
export type LowCodeResource =
  | {
      readonly type: 'rest_api';
      readonly name: string;
      readonly baseUrl: string;
      readonly headers: readonly NamedTemplate[];
      readonly skipsTlsVerification?: boolean;
      readonly source: SourcePosition;
    }
  | {
      readonly type: 'postgresql';
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly source: SourcePosition;
    };

/** Something of the export that this model does not hold. */
export interface Ignored {
  readonly what: string;
  readonly where: SourcePosition;
}

/** A parameter of a flow. `secure` ones are secrets: their values are asked for, never read from the export. */
export interface FlowParameter {
  readonly name: string;
  readonly secure: boolean;
  /** Where the export holds the value of a secure parameter in the clear. */
  readonly plainAt?: SourcePosition;
  readonly value?: Json;
}

export interface LowCodeClient {
  readonly tool: LowCodeTool;
  readonly app: string;
  readonly dialect: Dialect;
  /** What starts a flow, for people. */
  readonly trigger?: string;
  readonly calls: readonly LowCodeCall[];
  readonly steps: readonly Step[];
  readonly parameters: readonly FlowParameter[];
  readonly resources: readonly LowCodeResource[];
  /** Names of secrets, sorted. Values are never part of a client. */
  readonly secrets: readonly string[];
  readonly ignored: readonly Ignored[];
}

/** Every call below these steps, in reading order. */
export function callsOf(steps: readonly Step[]): readonly LowCodeCall[] {
  return steps.flatMap((step) => {
    if (step.kind === 'call') return [step.call];
    return callsOf(childrenOf(step));
  });
}

/** The steps directly inside this one. */
export function childrenOf(step: Step): readonly Step[] {
  switch (step.kind) {
    case 'if':
      return [...step.whenTrue, ...step.whenFalse];
    case 'foreach':
    case 'scope':
      return step.steps;
    case 'call':
    case 'compose':
    case 'parse-json':
    case 'set-variable':
    case 'response':
    case 'terminate':
    case 'unsupported':
      return [];
  }
  return assertNever(step);
}
