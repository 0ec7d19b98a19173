/**
 * What the comparison takes for granted about tokens, said where it matters.
 * @module
 */
import type { AuthorizationRule } from '../istio/authorization-policy.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { keySourceOf } from './token-signers.ts';

export function tokenNotes(before: MeshConfig, after: MeshConfig): readonly string[] {
  const notes: string[] = [];
  const asks = [before, after].some(({ authorizationPolicies }) =>
    authorizationPolicies.some(({ spec }) => spec.action !== 'CUSTOM' && (spec.rules ?? []).some(asksForToken)),
  );
  const without = [before, after].map(({ requestAuthentications }) => requestAuthentications.length === 0);
  if (asks && without.includes(true)) {
    const [first] = without;
    const where = without.includes(false) ? `${first === true ? 'before' : 'after'} the change` : 'on either side';
    notes.push(`tokens: no RequestAuthentication ${where}: rules about tokens match nothing there`);
  }
  const [one, other] = [fetchedKeys(before), fetchedKeys(after)];
  const moved = [...one].some((name) => !other.has(name)) || [...other].some((name) => !one.has(name));
  if (moved)
    notes.push('tokens: keys that are fetched are known by their source; another source is taken to have other keys');
  return notes;
}

function asksForToken({ from = [], when = [] }: AuthorizationRule): boolean {
  return (
    from.some(({ source }) => source.requestPrincipals !== undefined || source.notRequestPrincipals !== undefined) ||
    when.some(({ key }) => key.startsWith('request.auth.'))
  );
}

function fetchedKeys({ requestAuthentications }: MeshConfig): ReadonlySet<string> {
  const sources = requestAuthentications.flatMap(({ spec }) => (spec.jwtRules ?? []).map(keySourceOf));
  return new Set(sources.flatMap((source) => (source.kind === 'fetched' ? [source.name] : [])));
}
