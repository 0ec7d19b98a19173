/**
 * Low-code clients: exports of Retool, Power Automate and others read into one neutral model, audited, and run through
 * the API gateway by a function the caller hands in.
 * @module
 */
export * from './audit.ts';
export * from './exchange.ts';
export * from './finding.ts';
export { DEFAULT_GATEWAY_HOSTS } from './gateway.ts';
export * from './import.ts';
export type { Json, JsonObject } from './json.ts';
export * from './model.ts';
export * from './platforms.ts';
export * from './resource-calls.ts';
export * from './run.ts';
export { checkExpression, evaluateExpression, evaluateWdl, WDL_FUNCTIONS } from './wdl/evaluate.ts';
export { parseExpression, printExpression, type WdlExpression } from './wdl/expression.ts';
export type { ActionResult, WdlScope } from './wdl/scope.ts';
export { evaluateMustache, type MustacheScope } from './mustache/evaluate.ts';
