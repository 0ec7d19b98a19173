/**
 * What a run knows while it goes on: values, answers, loops, and everything it will report.
 * @module
 */
import { addMs, type Instant, MeshError } from '../core/index.ts';
import type { LowCodeFinding } from './finding.ts';
import { isReachable, type Json, memberOf, objectOf, toJson } from './json.ts';
import type { LowCodeClient } from './model.ts';
import { evaluateMustache } from './mustache/evaluate.ts';
import type { Redactor } from './redactor.ts';
import type { CallResult, RunOptions } from './exchange.ts';
import { evaluateWdl } from './wdl/evaluate.ts';
import { type ActionResult, textOf, type WdlScope } from './wdl/scope.ts';

/** Steps a run may take, loops unrolled. */
export const RUN_STEPS_MAX = 10_000;

export class RunState {
  readonly client: LowCodeClient;
  readonly options: Required<RunOptions>;
  readonly redactor: Redactor;
  readonly actions: Map<string, ActionResult> = new Map<string, ActionResult>();
  readonly variables: Map<string, Json> = new Map<string, Json>();
  readonly loops: { readonly name: string; readonly item: Json }[] = [];
  readonly calls: CallResult[] = [];
  readonly findings: LowCodeFinding[] = [];
  readonly errors: { readonly step: string; readonly message: string }[] = [];
  response: { readonly status: Json; readonly body: Json } | undefined;
  #steps = 0;
  #waitedMs = 0;

  constructor(client: LowCodeClient, redactor: Redactor, options: Required<RunOptions>) {
    this.client = client;
    this.redactor = redactor;
    this.options = options;
  }

  get now(): Instant {
    return addMs(this.options.now, this.#waitedMs);
  }

  /** Time passes: a pause between two attempts. */
  wait(durationMs: number): void {
    this.#waitedMs += durationMs;
  }

  /** Counts a step; false once a run has taken more than any sensible flow. */
  countStep(): boolean {
    return ++this.#steps <= RUN_STEPS_MAX;
  }

  /** A value given by the caller. */
  given(name: string): Json | undefined {
    const { values } = this.options;
    return isReachable(name) && Object.hasOwn(values, name) ? toJson(values[name]) : undefined;
  }

  /**
   * The value of a template as text, written as its language writes it.
   * @throws MeshError `ERR_EXPRESSION`
   */
  text(template: Json): string {
    const value = this.evaluate(template);
    return this.client.dialect === 'mustache' && typeof value === 'boolean' ? String(value) : textOf(value);
  }

  /** @throws MeshError `ERR_EXPRESSION` */
  evaluate(template: Json): Json {
    const onResult = (args: readonly Json[], result: Json): void => this.redactor.derived(args, result);
    const { rng } = this.options;
    if (this.client.dialect === 'wdl') return evaluateWdl(template, this.#wdlScope(onResult));
    return evaluateMustache(template, {
      now: this.now,
      rng,
      secret: (name) => this.#secret(name),
      names: this.#names(),
      onResult,
    });
  }

  #wdlScope(onResult: WdlScope['onResult']): WdlScope {
    const { client, options } = this;
    return {
      now: this.now,
      rng: options.rng,
      trigger: { headers: {}, body: options.trigger },
      actions: this.actions,
      variables: this.variables,
      parameter: (name) => this.#parameter(name),
      parameterNames: client.parameters.map(({ name }) => name),
      loops: this.loops,
      workflowName: client.app,
      ...(onResult === undefined ? {} : { onResult }),
    };
  }

  #parameter(name: string): Json | undefined {
    const declared = this.client.parameters.find((parameter) => parameter.name === name);
    if (declared === undefined) return undefined;
    return declared.secure ? this.#secret(name) : (this.given(name) ?? declared.value);
  }

  #secret(name: string): string {
    const value = this.options.secrets(name);
    if (value === undefined) throw new MeshError('ERR_EXPRESSION', `secret \`${name}\` is not set`);
    this.redactor.add(value);
    return value;
  }

  /** What `{{ }}` can name: given values, and answers as `query.data`. */
  #names(): ReadonlyMap<string, Json> {
    const names = new Map<string, Json>();
    for (const name of Object.keys(this.options.values)) names.set(name, this.given(name) ?? null);
    for (const [id, { outputs }] of this.actions) {
      const data = memberOf(outputs, 'body') ?? null;
      names.set(
        id,
        objectOf([
          ['data', data],
          ['rawData', data],
          ['statusCode', memberOf(outputs, 'statusCode') ?? null],
        ]),
      );
    }
    return names;
  }
}
