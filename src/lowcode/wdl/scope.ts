/**
 * What a Workflow Definition Language expression can refer to, and how a function of the language is declared.
 * @module
 */
import { type Instant, MeshError, type Rng } from '../../core/index.ts';
import { isList, type Json, typeName } from '../json.ts';

/** What an action left behind for `body`, `outputs` and `actions`. */
export interface ActionResult {
  readonly status: string;
  readonly outputs: Json;
}

export interface WdlScope {
  readonly now: Instant;
  readonly rng: Rng;
  /** `triggerOutputs()`; its `body` is `triggerBody()`. */
  readonly trigger: Json;
  readonly actions: ReadonlyMap<string, ActionResult>;
  readonly variables: ReadonlyMap<string, Json>;
  readonly parameter: (name: string) => Json | undefined;
  readonly parameterNames: readonly string[];
  /** Items of the surrounding loops, innermost last. */
  readonly loops: readonly { readonly name: string; readonly item: Json }[];
  readonly workflowName: string;
  /** Told of every function's arguments and result, so that texts made from secrets can be hidden as well. */
  readonly onResult?: (args: readonly Json[], result: Json) => void;
}

export type WdlFunction = (args: readonly Json[], scope: WdlScope) => Json;

export interface WdlSignature {
  readonly name: string;
  readonly argsMin: number;
  readonly argsMax: number;
  readonly apply: WdlFunction;
}

/** `define('concat', [1, 64], …)` */
export function define(name: string, [argsMin, argsMax]: readonly [number, number], apply: WdlFunction): WdlSignature {
  return { name, argsMin, argsMax, apply };
}

/** An argument was of the wrong type or value; the evaluator adds the function's name and position. */
export function argumentError(message: string): MeshError {
  return new MeshError('ERR_EXPRESSION', message);
}

export function argument(args: readonly Json[], index: number): Json {
  return args[index] ?? null;
}

export function textArgument(args: readonly Json[], index: number): string {
  const value = argument(args, index);
  if (typeof value !== 'string') throw wrong(index, 'a string', value);
  return value;
}

export function optionalText(args: readonly Json[], index: number): string | undefined {
  return index < args.length ? textArgument(args, index) : undefined;
}

export function numberArgument(args: readonly Json[], index: number): number {
  const value = argument(args, index);
  if (typeof value !== 'number') throw wrong(index, 'a number', value);
  return value;
}

export function integerArgument(args: readonly Json[], index: number): number {
  const value = argument(args, index);
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(index, 'an integer', value);
  return value;
}

export function booleanArgument(args: readonly Json[], index: number): boolean {
  const value = argument(args, index);
  if (typeof value !== 'boolean') throw wrong(index, 'a boolean', value);
  return value;
}

export function listArgument(args: readonly Json[], index: number): readonly Json[] {
  const value = argument(args, index);
  if (!isList(value)) throw wrong(index, 'an array', value);
  return value;
}

export function wrong(index: number, expected: string, value: Json): MeshError {
  return argumentError(`argument ${index + 1} must be ${expected}, not ${typeName(value)}`);
}

/** How the language writes a value into text: booleans as .NET does, objects and arrays as JSON, null as nothing. */
export function textOf(value: Json): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return JSON.stringify(value);
}
