/**
 * The bracketed names in `when` keys: `request.headers[x-token]`, `request.auth.claims[nested][key]`.
 * @module
 */

/** `[name]` → `name`; nothing for any other shape. */
export function bracketedName(text: string): string | undefined {
  return text.length >= 2 && text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : undefined;
}

/**
 * `[a][b]` → `['a', 'b']`. Brackets that do not parse as a sequence make one name of everything between the first and
 * the last, as Istio does: `[[a]]` → `['[a]']`. Nothing where there are no outer brackets at all.
 */
export function bracketedPath(text: string): readonly string[] | undefined {
  if (/^(?:\[[^[\]]*\])+$/.test(text)) return text.slice(1, -1).split('][');
  const whole = bracketedName(text);
  return whole === undefined ? undefined : [whole];
}
