/**
 * Trust-domain aliases: the values istiod writes in place of a principal or trust domain of a policy, so that a mesh
 * that changes its trust domain keeps its policies.
 *
 * Only principals of the full shape `td/ns/NAMESPACE/sa/ACCOUNT` are expanded, and `cluster.local` there points to the
 * mesh's own trust domain whatever it is called. `trustDomains` values know neither wildcards nor that pointer.
 * Source: https://istio.io/latest/docs/tasks/security/authorization/authz-td-migration/
 * @module
 */
const PRINCIPAL_PARTS = 5;
const LOCAL_POINTER = 'cluster.local';

/** @param trustDomains the mesh's trust domain, then its aliases */
export function expandPrincipals(principals: readonly string[], trustDomains: readonly string[]): readonly string[] {
  return principals.flatMap((principal) => expandPrincipal(principal, trustDomains));
}

function expandPrincipal(principal: string, trustDomains: readonly string[]): readonly string[] {
  const slash = principal.indexOf('/');
  const written = principal.slice(0, Math.max(slash, 0));
  if (principal.split('/').length !== PRINCIPAL_PARTS || written === '*') return [principal];
  const known = written === LOCAL_POINTER || trustDomains.some((domain) => overlaps(written, domain));
  if (!known) return [principal];
  const rest = principal.slice(slash);
  // A suffix pattern such as `*-td` already covers the trust domains that end so: it stays for those.
  return [...new Set(trustDomains.map((domain) => (endsLike(domain, written) ? principal : `${domain}${rest}`)))];
}

/** @param trustDomains the mesh's trust domain, then its aliases */
export function expandTrustDomains(values: readonly string[], trustDomains: readonly string[]): readonly string[] {
  return [...new Set(values.flatMap((value) => (trustDomains.includes(value) ? trustDomains : [value])))];
}

/** Either may be the pattern of the other. */
function overlaps(a: string, b: string): boolean {
  return a === b || b === '*' || startsLike(a, b) || startsLike(b, a) || endsLike(a, b) || endsLike(b, a);
}

function startsLike(text: string, pattern: string): boolean {
  return pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1));
}

function endsLike(text: string, pattern: string): boolean {
  return pattern.startsWith('*') && text.endsWith(pattern.slice(1));
}
