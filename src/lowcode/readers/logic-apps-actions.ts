/**
 * Actions of a workflow definition.
 * @module
 */
import { didYouMean, SECOND_MS } from '../../core/index.ts';
import { type DocumentEntry, type DocumentNode, formatPosition, invalid, jsonOf } from '../document.ts';
import { Fields } from '../fields.ts';
import type { Json } from '../json.ts';
import type {
  CallAuth,
  CallRetry,
  CallTrigger,
  Ignored,
  LowCodeCall,
  NamedTemplate,
  RunAfter,
  Step,
  StepStatus,
  VariableOperation,
} from '../model.ts';
import { stepOrder } from '../step-order.ts';
import type { TemplateCheck } from '../templates.ts';
import { CONDITION_WORDS } from '../wdl/condition.ts';
import { parseIsoDuration } from './iso-duration.ts';
import { readMethod } from './method.ts';

/**
 * What the products do where an HTTP action names no retry policy: four attempts more, at growing intervals of 7.5 s.
 * Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-exception-handling#retry-policies
 */
const DEFAULT_RETRY: CallRetry = { policy: 'exponential', count: 4, intervalMs: 7.5 * SECOND_MS };
const RETRY_COUNT_MAX = 90;

const STATUSES: readonly StepStatus[] = ['Succeeded', 'Failed', 'Skipped', 'TimedOut'];
const RETRY_TYPES = ['none', 'fixed', 'exponential', 'default'];

const VARIABLE_OPERATIONS: Readonly<Record<string, VariableOperation>> = {
  SetVariable: 'set',
  AppendToStringVariable: 'append-string',
  AppendToArrayVariable: 'append-array',
  IncrementVariable: 'increment',
  DecrementVariable: 'decrement',
};

export interface ActionContext {
  readonly check: TemplateCheck;
  readonly ignored: Ignored[];
  readonly on: CallTrigger;
}

interface ActionBase {
  readonly id: string;
  readonly runAfter: readonly RunAfter[];
  readonly source: DocumentEntry['keyPosition'];
}

export class ActionReader {
  readonly #context: ActionContext;
  readonly #seen = new Map<string, DocumentEntry['keyPosition']>();

  constructor(context: ActionContext) {
    this.#context = context;
  }

  /** Actions beside each other. */
  group(entries: readonly DocumentEntry[]): readonly Step[] {
    const steps = entries.map((entry) => this.#action(entry));
    stepOrder(steps);
    return steps;
  }

  #action({ key: id, keyPosition: source, value }: DocumentEntry): Step {
    const before = this.#seen.get(id);
    if (before !== undefined) throw invalid(`action \`${id}\` exists at ${formatPosition(before)} already`, source);
    this.#seen.set(id, source);
    const fields = new Fields(value, `action \`${id}\``);
    fields.skip('metadata', 'description', 'runtimeConfiguration', 'trackedProperties', 'operationOptions');
    const type = fields.needText('type');
    const runAfter = fields.entries('runAfter').map(readRunAfter);
    const step = this.#typed(type, fields, { id, runAfter, source });
    fields.ignoreRest(this.#context.ignored);
    return step;
  }

  #typed(type: string, fields: Fields, base: ActionBase): Step {
    switch (type) {
      case 'Http':
        return { ...base, kind: 'call', call: this.#call(fields, base) };
      case 'Compose':
        return { ...base, kind: 'compose', value: this.#template(fields.get('inputs')) };
      case 'ParseJson':
        return { ...base, kind: 'parse-json', content: this.#parsedContent(fields) };
      case 'InitializeVariable':
        return { ...base, ...this.#initialized(fields) };
      case 'If':
        return { ...base, kind: 'if', ...this.#branches(fields) };
      case 'Foreach': {
        const items = this.#template(fields.need('foreach'));
        return { ...base, kind: 'foreach', items, steps: this.group(fields.entries('actions')) };
      }
      case 'Scope':
        return { ...base, kind: 'scope', steps: this.group(fields.entries('actions')) };
      case 'Response': {
        const inputs = this.#inputs(fields);
        const status = inputs.has('statusCode') ? this.#template(inputs.get('statusCode')) : 200;
        const body = this.#template(inputs.get('body'));
        inputs.ignoreRest(this.#context.ignored);
        return { ...base, kind: 'response', status, body };
      }
      case 'Terminate': {
        const inputs = this.#inputs(fields);
        const status = inputs.needText('runStatus');
        inputs.skip('runError');
        inputs.ignoreRest(this.#context.ignored);
        return { ...base, kind: 'terminate', status };
      }
      case 'Wait':
        fields.skip('inputs');
        this.#context.ignored.push({ what: `delay \`${base.id}\`: a run does not wait`, where: base.source });
        return { ...base, kind: 'compose', value: null };
      default:
        return this.#other(type, fields, base);
    }
  }

  #other(type: string, fields: Fields, base: ActionBase): Step {
    const operation = Object.hasOwn(VARIABLE_OPERATIONS, type) ? VARIABLE_OPERATIONS[type] : undefined;
    if (operation !== undefined) {
      const inputs = this.#inputs(fields);
      const name = inputs.needText('name');
      const counts = operation === 'increment' || operation === 'decrement';
      const value = inputs.has('value') || !counts ? this.#template(inputs.get('value')) : 1;
      inputs.ignoreRest(this.#context.ignored);
      return { ...base, kind: 'set-variable', operation, name, value };
    }
    // The whole of it is one report: its fields and inner actions mean nothing without it.
    fields.skip('inputs', 'actions', 'cases', 'default', 'else', 'expression', 'limit', 'kind', 'foreach');
    const inner = fields.has('actions') || fields.has('cases') ? ', with all actions inside' : '';
    this.#context.ignored.push({ what: `action \`${base.id}\` of type \`${type}\`${inner}`, where: base.source });
    return { ...base, kind: 'unsupported', type };
  }

  #call(fields: Fields, { id, runAfter, source }: ActionBase): LowCodeCall {
    const inputs = this.#inputs(fields);
    const method = readMethod(inputs.needText('method'), inputs.need('method').position);
    const url = inputs.needText('uri');
    const urlSource = inputs.need('uri').position;
    this.#context.check.text(url, urlSource);
    const headers = this.#named(inputs.entries('headers'));
    const query = this.#named(inputs.entries('queries'));
    const body = inputs.get('body');
    const auth = this.#auth(inputs);
    const retry = this.#retry(inputs);
    const timeoutMs = this.#timeout(fields);
    const call: LowCodeCall = {
      id,
      method,
      url,
      urlSource,
      headers,
      query,
      ...(body === undefined ? {} : { body: this.#template(body) }),
      ...(auth === undefined ? {} : { auth }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(retry === undefined ? {} : { retry }),
      on: this.#context.on,
      after: runAfter.map(({ step }) => step),
      source,
    };
    inputs.ignoreRest(this.#context.ignored);
    return call;
  }

  #auth(inputs: Fields): CallAuth | undefined {
    const node = inputs.get('authentication');
    if (node === undefined) return undefined;
    if (node.kind === 'scalar') {
      this.#context.ignored.push({ what: 'authentication that is an expression', where: node.position });
      return { type: 'expression', fields: [], source: node.position };
    }
    const fields = new Fields(node, 'authentication');
    const type = fields.needText('type');
    const named = this.#named(node.kind === 'map' ? node.entries.filter(({ key }) => key !== 'type') : []);
    if (!/^(basic|raw)$/i.test(type)) {
      this.#context.ignored.push({ what: `authentication of type \`${type}\``, where: node.position });
    }
    return { type, fields: named, source: node.position };
  }

  #retry(inputs: Fields): CallRetry | undefined {
    const node = inputs.get('retryPolicy');
    if (node === undefined) return DEFAULT_RETRY;
    const fields = new Fields(node, 'a retry policy');
    const type = fields.needText('type').toLowerCase();
    fields.skip('minimumInterval', 'maximumInterval');
    const count = fields.integer('count', 1, RETRY_COUNT_MAX);
    const interval = fields.text('interval');
    const intervalMs =
      interval === undefined ? undefined : parseIsoDuration(interval, fields.need('interval').position);
    fields.ignoreRest(this.#context.ignored);
    if (type === 'none') return undefined;
    if (type === 'default') return DEFAULT_RETRY;
    if (type !== 'fixed' && type !== 'exponential') {
      throw invalid(`unknown retry policy \`${type}\`${didYouMean(type, RETRY_TYPES)}`, fields.position);
    }
    return { policy: type, count: count ?? DEFAULT_RETRY.count, intervalMs: intervalMs ?? DEFAULT_RETRY.intervalMs };
  }

  #timeout(fields: Fields): number | undefined {
    const node = fields.get('limit');
    if (node === undefined) return undefined;
    const limit = new Fields(node, 'a limit');
    const timeout = limit.text('timeout');
    limit.ignoreRest(this.#context.ignored);
    return timeout === undefined ? undefined : parseIsoDuration(timeout, limit.need('timeout').position);
  }

  #parsedContent(fields: Fields): Json {
    const inputs = this.#inputs(fields);
    const content = this.#template(inputs.need('content'));
    const schema = inputs.entry('schema');
    if (schema !== undefined) {
      this.#context.ignored.push({ what: 'a JSON schema: content is parsed, not checked', where: schema.keyPosition });
    }
    inputs.ignoreRest(this.#context.ignored);
    return content;
  }

  #initialized(fields: Fields): Pick<Extract<Step, { kind: 'set-variable' }>, 'kind' | 'operation' | 'name' | 'value'> {
    const inputs = this.#inputs(fields);
    const [first, second] = inputs.list('variables');
    if (first === undefined) throw invalid('an `InitializeVariable` action needs a variable', inputs.position);
    if (second !== undefined) throw invalid('an `InitializeVariable` action takes one variable', second.position);
    const variable = new Fields(first, 'a variable');
    const name = variable.needText('name');
    const type = variable.needText('type').toLowerCase();
    const value = variable.has('value') ? this.#template(variable.get('value')) : initialValue(type);
    variable.ignoreRest(this.#context.ignored);
    inputs.ignoreRest(this.#context.ignored);
    return { kind: 'set-variable', operation: 'initialize', name, value };
  }

  #branches(fields: Fields): Pick<Extract<Step, { kind: 'if' }>, 'condition' | 'whenTrue' | 'whenFalse'> {
    const expression = fields.need('expression');
    checkCondition(expression);
    const condition = this.#template(expression);
    const steps = this.group(fields.entries('actions'));
    const node = fields.get('else');
    if (node === undefined) return { condition, whenTrue: steps, whenFalse: [] };
    const other = new Fields(node, '`else`');
    const whenFalse = this.group(other.entries('actions'));
    other.ignoreRest(this.#context.ignored);
    return { condition, whenTrue: steps, whenFalse };
  }

  #inputs(fields: Fields): Fields {
    return new Fields(fields.need('inputs'), `\`inputs\` of ${fields.what}`);
  }

  #template(node: DocumentNode | undefined): Json {
    if (node === undefined) return null;
    this.#context.check.node(node);
    return jsonOf(node);
  }

  #named(entries: readonly DocumentEntry[]): readonly NamedTemplate[] {
    return entries.map(({ key, keyPosition, value }) => ({
      name: key,
      value: this.#template(value),
      source: keyPosition,
    }));
  }
}

function readRunAfter({ key, keyPosition, value }: DocumentEntry): RunAfter {
  if (value.kind !== 'list') throw invalid(`\`runAfter\` needs a list of statuses for \`${key}\``, value.position);
  const statuses = value.items.map((item): StepStatus => {
    const text = item.kind === 'scalar' ? String(item.value) : '';
    const status = STATUSES.find((known) => known.toLowerCase() === text.toLowerCase());
    if (status === undefined) throw invalid(`unknown status \`${text}\`${didYouMean(text, STATUSES)}`, item.position);
    return status;
  });
  return { step: key, statuses, source: keyPosition };
}

/** Refuses operators the object form of conditions does not have. */
function checkCondition(node: DocumentNode): void {
  if (node.kind !== 'map') return;
  for (const { key, keyPosition, value } of node.entries) {
    if (!CONDITION_WORDS.includes(key)) {
      throw invalid(`unknown operator \`${key}\` in a condition${didYouMean(key, CONDITION_WORDS)}`, keyPosition);
    }
    if (key !== 'and' && key !== 'or' && key !== 'not') continue;
    for (const operand of value.kind === 'list' ? value.items : [value]) checkCondition(operand);
  }
}

function initialValue(type: string): Json {
  switch (type) {
    case 'array':
      return [];
    case 'object':
      return {};
    case 'string':
      return '';
    case 'integer':
    case 'float':
      return 0;
    case 'boolean':
      return false;
    default:
      return null;
  }
}
