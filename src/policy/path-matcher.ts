/**
 * `paths`: the generic forms, and templates with `{*}` (one segment) and `{**}` (any number of them).
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation
 * @module
 */
import { isPathTemplate, pathPatternFault } from '../istio/path-template.ts';
import { PATH, textKeys, type AttributeMatcher } from './attribute-matcher.ts';
import type { RequestView } from './request-view.ts';
import type { IndexKey } from './rule-index.ts';
import { quoteRegExp, TextMatcher } from './text-matcher.ts';

const ONE_SEGMENT = String.raw`[a-zA-Z0-9\-._~%!$&'()+,;:@=*]+`;
const ANY_SEGMENTS = String.raw`[a-zA-Z0-9\-._~%!$&'()+,;:@=*/]*`;

export class PathListMatcher implements AttributeMatcher {
  readonly keys: readonly IndexKey[] | undefined;
  readonly #plain: TextMatcher;
  readonly #templates: readonly RegExp[];

  constructor(values: readonly string[]) {
    const templates = values.filter(isPathTemplate);
    this.#plain = new TextMatcher(values.filter((value) => !isPathTemplate(value)));
    this.#templates = templates.map(templateRegExp);
    const heads = new TextMatcher(
      templates.map((value) => ({ form: 'prefix', text: value.slice(0, value.indexOf('{')) })),
    );
    const keys = [textKeys(PATH, this.#plain), textKeys(PATH, heads)];
    this.keys = keys.includes(undefined) ? undefined : keys.flatMap((list) => list ?? []);
  }

  test(view: RequestView): boolean {
    if (view.http === undefined) return false;
    if (this.#plain.test(view.path)) return true;
    for (const template of this.#templates) if (template.test(view.path)) return true;
    return false;
  }

  seen(view: RequestView): string | undefined {
    return view.http === undefined ? undefined : view.path;
  }

  /** A path with braces cannot be written down as a value. */
  examples(view: RequestView): readonly string[] {
    return view.http === undefined || pathPatternFault(view.path) !== undefined ? [] : [view.path];
  }
}

/** Operators count only as whole segments; anything else in a template is literal. */
function templateRegExp(template: string): RegExp {
  const segments = template.split('/').map((segment) => {
    if (segment === '{*}') return ONE_SEGMENT;
    return segment === '{**}' ? ANY_SEGMENTS : quoteRegExp(segment);
  });
  return new RegExp(`^${segments.join('/')}$`);
}
