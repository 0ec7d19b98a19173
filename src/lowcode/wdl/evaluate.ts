/**
 * Evaluation of Workflow Definition Language expressions and of templates that hold them.
 *
 * Nothing of an expression ever becomes JavaScript: names are looked up in one table of functions, members among own
 * properties. Depth, size and the number of steps are bounded, so every evaluation ends.
 * @module
 */
import { assertNever, didYouMean, MeshError } from '../../core/index.ts';
import { bounded, isList, isObject, type Json, memberOf, objectOf, typeName } from '../json.ts';
import { expressionError, eachCall, type WdlExpression } from './expression.ts';
import { REFERENCE_FUNCTIONS } from './reference-functions.ts';
import { textOf, type WdlScope, type WdlSignature } from './scope.ts';
import { parseTemplate } from './template.ts';
import { TEXT_FUNCTIONS } from './text-functions.ts';
import { TIME_FUNCTIONS } from './time-functions.ts';
import { VALUE_FUNCTIONS } from './value-functions.ts';

/** The functions of the language that are modelled, by lower-case name: the language does not tell case apart. */
const FUNCTIONS: ReadonlyMap<string, WdlSignature> = new Map(
  [...TEXT_FUNCTIONS, ...VALUE_FUNCTIONS, ...TIME_FUNCTIONS, ...REFERENCE_FUNCTIONS].map((signature) => [
    signature.name.toLowerCase(),
    signature,
  ]),
);

/** Names of the modelled functions, sorted. */
export const WDL_FUNCTIONS: readonly string[] = [...FUNCTIONS.values()].map(({ name }) => name).toSorted();

/** Functions the language has and this module has not; an expression that uses one can be read, not evaluated. */
const UNMODELLED: ReadonlySet<string> = new Set(
  (
    'action base64ToBinary binary chunk convertFromUtc convertTimeZone convertToUtc dataUri dataUriToBinary ' +
    'dataUriToString dateDifference decimal decodeDataUri formDataMultiValues formatNumber iterationIndexes ' +
    'listCallbackUrl multipartBody nthIndexOf parseDateTime result triggerFormDataMultiValues triggerFormDataValue ' +
    'triggerMultipartBody uriComponentToBinary xml xor xpath'
  )
    .toLowerCase()
    .split(' '),
);

/** Whether the language has this function but meshproof has not. */
export function isUnmodelled(name: string): boolean {
  return UNMODELLED.has(name.toLowerCase());
}

/**
 * Refuses unknown functions and wrong numbers of arguments before anything runs.
 * @throws MeshError `ERR_EXPRESSION` with the character in `details`
 */
export function checkExpression(expression: WdlExpression): void {
  eachCall(expression, ({ name, args, at }) => {
    const signature = FUNCTIONS.get(name.toLowerCase());
    if (signature === undefined && isUnmodelled(name))
      throw expressionError(`function \`${name}\` is not modelled`, at);
    if (signature === undefined) {
      throw expressionError(`unknown function \`${name}\`${didYouMean(name, WDL_FUNCTIONS)}`, at);
    }
    const { argsMin, argsMax } = signature;
    if (args.length >= argsMin && args.length <= argsMax) return;
    const wanted = argsMin === argsMax ? `${argsMin}` : `${argsMin} to ${argsMax}`;
    throw expressionError(`\`${signature.name}\` takes ${wanted} arguments, not ${args.length}`, at);
  });
}

/**
 * The value of an expression.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function evaluateExpression(expression: WdlExpression, scope: WdlScope): Json {
  checkExpression(expression);
  return evaluate(expression, scope);
}

function evaluate(expression: WdlExpression, scope: WdlScope): Json {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'member':
      return evaluateMember(expression, scope);
    case 'call':
      return evaluateCall(expression, scope);
  }
  return assertNever(expression);
}

function evaluateMember(expression: Extract<WdlExpression, { kind: 'member' }>, scope: WdlScope): Json {
  const target = evaluate(expression.target, scope);
  const key = evaluate(expression.key, scope);
  if (typeof key !== 'string' && typeof key !== 'number') {
    throw expressionError(`a member is named by a string or a number, not by ${typeName(key)}`, expression.at);
  }
  const value = memberOf(target, key);
  if (value !== undefined || expression.safe) return value ?? null;
  if (isObject(target)) {
    throw expressionError(
      `there is no property \`${key}\`${didYouMean(String(key), Object.keys(target))}`,
      expression.at,
    );
  }
  if (isList(target))
    throw expressionError(`there is no element \`${key}\` in an array of ${target.length}`, expression.at);
  throw expressionError(`property \`${key}\` of ${typeName(target)} cannot be read`, expression.at);
}

function evaluateCall({ name, args, at }: Extract<WdlExpression, { kind: 'call' }>, scope: WdlScope): Json {
  const signature = FUNCTIONS.get(name.toLowerCase());
  if (signature === undefined) throw expressionError(`unknown function \`${name}\``, at);
  const values = args.map((arg) => evaluate(arg, scope));
  try {
    const result = bounded(
      signature.name === 'div' && args.some((arg) => arg.kind === 'literal' && arg.float === true)
        ? divide(values, signature, scope)
        : signature.apply(values, scope),
    );
    scope.onResult?.(values, result);
    return result;
  } catch (error) {
    // An argument that was refused; errors of inner calls never pass here, they were evaluated above.
    if (error instanceof MeshError) throw expressionError(`\`${signature.name}\`: ${error.message}`, at);
    throw error;
  }
}

/** `div(11, 5.0)` is 2.2 where `div(11, 5)` is 2. */
function divide(values: readonly Json[], signature: WdlSignature, scope: WdlScope): Json {
  const [a, b] = values;
  return typeof a === 'number' && typeof b === 'number' && b !== 0 ? a / b : signature.apply(values, scope);
}

/**
 * The value of a template: texts are evaluated, objects and arrays member by member, anything else is itself.
 * @throws MeshError `ERR_EXPRESSION`
 */
export function evaluateWdl(template: Json, scope: WdlScope): Json {
  if (typeof template === 'string') {
    const parsed = parseTemplate(template);
    if (parsed.kind === 'expression') return evaluateExpression(parsed.expression, scope);
    const text = parsed.parts.map((part) =>
      typeof part === 'string' ? part : textOf(evaluateExpression(part.expression, scope)),
    );
    return bounded(text.join(''));
  }
  if (isList(template)) return bounded(template.map((item) => evaluateWdl(item, scope)));
  if (isObject(template)) {
    return bounded(objectOf(Object.entries(template).map(([key, item]) => [key, evaluateWdl(item, scope)] as const)));
  }
  return template;
}
