/**
 * Which path patterns of an AuthorizationPolicy are templates (`/a/{*}/b`, `/a/{**}`), and which are malformed.
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation
 * @module
 */

/** Matches one segment. */
export const MATCH_ONE = '{*}';
/** Matches any number of segments; the last operator of a template. */
export const MATCH_ANY = '{**}';

/** `pchar` of RFC 3986 without `*`, which has no meaning inside a template. */
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;

/** Whether `value` is matched segment by segment; without an operator `*` is a prefix or suffix wildcard. */
export function isPathTemplate(value: string): boolean {
  return value.includes(MATCH_ONE) || value.includes(MATCH_ANY);
}

/** Why `value` cannot be used as a path pattern, or nothing. */
export function pathPatternFault(value: string): string | undefined {
  const template = isPathTemplate(value);
  let anySeen = false;
  for (const segment of value.replace(/^\/+|\/+$/g, '').split('/')) {
    const operator = segment === MATCH_ONE || segment === MATCH_ANY;
    if (operator && anySeen) return `after \`${MATCH_ANY}\` no other operator may follow`;
    if (segment === MATCH_ANY) anySeen = true;
    if (operator) continue;
    if (/[{}]/.test(segment)) return `braces may only form a whole segment \`${MATCH_ONE}\` or \`${MATCH_ANY}\``;
    if (template && !LITERAL.test(segment)) {
      return segment === ''
        ? 'a template may not have an empty segment'
        : `the segment \`${segment.slice(0, 40)}\` has a character a template cannot match literally`;
    }
  }
  return undefined;
}
