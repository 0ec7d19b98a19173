/**
 * A Power Automate flow written by hand as YAML: a trigger in words and a list of HTTP requests, one after the other,
 * with the products' expressions in URLs, headers and bodies. The products themselves export JSON; see `logic-apps.ts`.
 * @module
 */
import { didYouMean } from '../../core/index.ts';
import { type DocumentNode, invalid, jsonOf } from '../document.ts';
import { Fields } from '../fields.ts';
import type { CallTrigger, LowCodeCall, LowCodeClient, NamedTemplate, RunAfter, Step } from '../model.ts';
import { TemplateCheck } from '../templates.ts';
import { readMethod } from './method.ts';

const TYPES = ['http_request'];

/** @throws MeshError `ERR_LOWCODE_INVALID`, `ERR_EXPRESSION` */
export function readPowerAutomateYaml(document: DocumentNode, app: string): LowCodeClient {
  const root = new Fields(document, 'a flow');
  const workflow = new Fields(root.need('workflow'), 'a workflow');
  root.refuseRest();
  const trigger = workflow.text('trigger');
  const check = new TemplateCheck('wdl');
  const steps: Step[] = [];
  for (const node of workflow.list('actions')) {
    const step = readAction(node, { check, previous: steps.at(-1), on: triggerOf(trigger) });
    if (steps.some(({ id }) => id === step.id)) throw invalid(`action \`${step.id}\` is declared twice`, step.source);
    steps.push(step);
  }
  workflow.refuseRest();
  return {
    tool: 'power-automate',
    app,
    dialect: 'wdl',
    ...(trigger === undefined ? {} : { trigger }),
    calls: steps.flatMap((step) => (step.kind === 'call' ? [step.call] : [])),
    steps,
    parameters: [],
    resources: [],
    secrets: check.secrets,
    ignored: [],
  };
}

interface ActionContext {
  readonly check: TemplateCheck;
  readonly previous: Step | undefined;
  readonly on: CallTrigger;
}

function readAction(node: DocumentNode, { check, previous, on }: ActionContext): Step {
  const fields = new Fields(node, 'an action');
  const id = fields.needText('name');
  const type = fields.needText('type');
  if (!TYPES.includes(type)) {
    const hint = didYouMean(type, TYPES) || `: one of ${TYPES.join(', ')}`;
    throw invalid(`unknown type of action \`${type}\`${hint}`, fields.need('type').position);
  }
  const url = fields.needText('url');
  const urlSource = fields.need('url').position;
  check.text(url, urlSource);
  const method = readMethod(fields.needText('method'), fields.need('method').position);
  const headers = fields.entries('headers').map(({ key, keyPosition, value }): NamedTemplate => {
    check.node(value);
    return { name: key, value: jsonOf(value), source: keyPosition };
  });
  const body = fields.get('body');
  if (body !== undefined) check.node(body);
  fields.refuseRest();
  const source = fields.position;
  const runAfter: readonly RunAfter[] =
    previous === undefined ? [] : [{ step: previous.id, statuses: ['Succeeded'], source }];
  const call: LowCodeCall = {
    id,
    method,
    url,
    urlSource,
    headers,
    query: [],
    ...(body === undefined ? {} : { body: jsonOf(body) }),
    on,
    after: runAfter.map(({ step }) => step),
    source,
  };
  return { kind: 'call', id, runAfter, source, call };
}

function triggerOf(trigger: string | undefined): CallTrigger {
  return trigger !== undefined && /\b(schedule|recurrence|every|daily|hourly)\b/i.test(trigger) ? 'schedule' : 'event';
}
