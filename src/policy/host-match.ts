/**
 * Istio's host names with a leading wildcard: `*`, `*.example.com`, and also `*example.com`.
 * @module
 */

export function isWildcardHost(host: string): boolean {
  return host.startsWith('*');
}

/**
 * The value under the most specific host that covers `host`: the host itself, else the longest wildcard. A wildcard
 * `host` is covered by equal or wider wildcards only.
 */
export function mostSpecificHost<V>(
  host: string,
  exact: ReadonlyMap<string, V>,
  wildcards: ReadonlyMap<string, V>,
): V | undefined {
  const own = isWildcardHost(host) ? wildcards.get(host) : exact.get(host);
  if (own !== undefined) return own;
  const name = isWildcardHost(host) ? host.slice(1) : host;
  let best: V | undefined;
  let bestLength = 0;
  for (const [pattern, value] of wildcards) {
    if (pattern.length > bestLength && name.endsWith(pattern.slice(1))) {
      best = value;
      bestLength = pattern.length;
    }
  }
  return best;
}
