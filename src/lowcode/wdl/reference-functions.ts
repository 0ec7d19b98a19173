/**
 * Functions of Workflow Definition Language that refer to the run: the trigger, actions, variables, loops.
 * @module
 */
import { didYouMean } from '../../core/index.ts';
import { type Json, memberOf } from '../json.ts';
import { argumentError, define, optionalText, textArgument, type WdlScope, type WdlSignature } from './scope.ts';

export const REFERENCE_FUNCTIONS: readonly WdlSignature[] = [
  define('triggerBody', [0, 0], (_, { trigger }) => memberOf(trigger, 'body') ?? null),
  define('triggerOutputs', [0, 0], (_, { trigger }) => trigger),
  define('trigger', [0, 0], (_, { trigger }) => ({ outputs: trigger })),
  define('body', [1, 1], (args, scope) => memberOf(action(scope, textArgument(args, 0)).outputs, 'body') ?? null),
  define('outputs', [1, 1], (args, scope) => action(scope, textArgument(args, 0)).outputs),
  define('actions', [1, 1], (args, scope) => ({ ...action(scope, textArgument(args, 0)) })),
  define('variables', [1, 1], (args, { variables }) => {
    const name = textArgument(args, 0);
    const value = variables.get(name);
    if (value === undefined) throw unknown('variable', name, variables.keys());
    return value;
  }),
  define('parameters', [1, 1], (args, { parameter, parameterNames }) => {
    const name = textArgument(args, 0);
    const value = parameter(name);
    if (value !== undefined) return value;
    if (parameterNames.includes(name)) throw argumentError(`parameter \`${name}\` has no value`);
    throw unknown('parameter', name, parameterNames);
  }),
  define('item', [0, 0], ({ length }, { loops }) => {
    const innermost = loops.at(-1);
    if (innermost === undefined || length > 0) throw argumentError('there is no loop around this expression');
    return innermost.item;
  }),
  define('items', [1, 1], (args, { loops }) => {
    const name = textArgument(args, 0);
    const loop = loops.findLast((candidate) => sameName(candidate.name, name));
    if (loop === undefined) {
      throw unknown(
        'loop',
        name,
        loops.map((candidate) => candidate.name),
      );
    }
    return loop.item;
  }),
  define('workflow', [0, 0], (_, { workflowName }) => ({ name: workflowName })),
  define('formDataValue', [2, 2], (args, scope) => {
    const body = memberOf(action(scope, textArgument(args, 0)).outputs, 'body');
    const form = new URLSearchParams(typeof body === 'string' ? body : '');
    const name = optionalText(args, 1) ?? '';
    const value = form.get(name);
    if (value === null) throw unknown('form field', name, form.keys());
    return value;
  }),
];

/** The editors show `Validate Order` where the definition says `Validate_Order`. */
export function sameName(a: string, b: string): boolean {
  return a === b || a.replaceAll(' ', '_') === b.replaceAll(' ', '_');
}

function action(scope: WdlScope, name: string): { readonly status: string; readonly outputs: Json } {
  const exact = scope.actions.get(name);
  if (exact !== undefined) return exact;
  const near = [...scope.actions].find(([candidate]) => sameName(candidate, name));
  if (near === undefined) throw unknown('action', name, scope.actions.keys());
  return near[1];
}

function unknown(what: string, name: string, known: Iterable<string>): Error {
  return argumentError(`no ${what} \`${name}\` has a value here${didYouMean(name, known)}`);
}
