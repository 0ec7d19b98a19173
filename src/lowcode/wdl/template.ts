/**
 * Texts of a workflow definition: `@f(x)` is an expression that keeps its type, `@{f(x)}` within a text is
 * interpolated, `@@` is a literal `@`. Any other `@`, as in an address, stands for itself.
 * @module
 */
import { expressionError, parseExpressionAt, type WdlExpression } from './expression.ts';

export type WdlTemplate =
  | { readonly kind: 'expression'; readonly expression: WdlExpression }
  | { readonly kind: 'text'; readonly parts: readonly (string | { readonly expression: WdlExpression })[] };

/**
 * Reads the text of a template.
 * @throws MeshError `ERR_EXPRESSION`; characters count within `text`
 */
export function parseTemplate(text: string): WdlTemplate {
  if (text.startsWith('@') && !text.startsWith('@@') && !text.startsWith('@{')) {
    const { expression, end } = parseExpressionAt(text, 1);
    if (end < text.length) throw expressionError(`unexpected \`${text.charAt(end)}\``, end + 1);
    return { kind: 'expression', expression };
  }
  const parts: (string | { readonly expression: WdlExpression })[] = [];
  // Only a leading `@@` and one before `{` are escapes: `a@@b` has nothing to escape.
  let literal = '';
  let offset = 0;
  if (text.startsWith('@@') && !text.startsWith('@@{')) {
    literal = '@';
    offset = 2;
  }
  while (offset < text.length) {
    if (text.startsWith('@@{', offset)) {
      literal += '@{';
      offset += 3;
    } else if (text.startsWith('@{', offset)) {
      const { expression, end } = parseExpressionAt(text, offset + 2);
      if (text.charAt(end) !== '}') throw expressionError('`@{` is never closed', offset + 1);
      if (literal !== '') parts.push(literal);
      parts.push({ expression });
      literal = '';
      offset = end + 1;
    } else literal += text.charAt(offset++);
  }
  if (literal !== '') parts.push(literal);
  return { kind: 'text', parts };
}

/** The expressions of a template's text, in order. */
export function expressionsOf(text: string): readonly WdlExpression[] {
  const template = parseTemplate(text);
  if (template.kind === 'expression') return [template.expression];
  return template.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.expression]));
}
