/**
 * The linter: what Istio accepts and nobody means. Values that can never match, policies that plaintext gets around,
 * settings of the two ends of a connection that do not fit, selectors that find nothing.
 *
 * Findings are about what the manifests say together. Objects that only a running cluster has are not guessed at.
 * @module
 */
import { policyResources, resourceWarnings, type MeshConfig } from '../istio/index.ts';
import { lintAuthorizationTransport } from './lint-authorization-transport.ts';
import { lintAuthorizationValues } from './lint-authorization-values.ts';
import { lintAuthorization } from './lint-authorization.ts';
import { LintContext, type Finding, type LintRules } from './lint-context.ts';
import { lintDestinationRules } from './lint-destination-rule.ts';
import { lintPeerAuthentication } from './lint-peer-authentication.ts';
import { lintSelectors } from './lint-selector.ts';
import { lintServiceEntries } from './lint-service-entry.ts';
import { lintWorkloads } from './lint-workload.ts';

const RULES: readonly LintRules[] = [
  lintWarnings,
  lintPeerAuthentication,
  lintAuthorization,
  lintAuthorizationValues,
  lintAuthorizationTransport,
  lintDestinationRules,
  lintWorkloads,
  lintSelectors,
  lintServiceEntries,
];

/**
 * Every finding about `config`, in the order of the text. An annotation `kiali.io/ignore-validations` on an object takes
 * away the codes it lists (ours or Kiali's or istioctl's); an empty one takes away all.
 */
export function lint(config: MeshConfig): readonly Finding[] {
  const context = new LintContext(config);
  for (const rules of RULES) rules(context);
  return context.findings.sort(byPosition);
}

/** What Istio's webhook would have warned of. */
function lintWarnings(context: LintContext): void {
  for (const resource of policyResources(context.config)) {
    for (const { path, message } of resourceWarnings(resource)) context.report('MSH001', resource, path, message);
  }
}

function byPosition(a: Finding, b: Finding): number {
  const [fileA, fileB] = [a.position?.file ?? '', b.position?.file ?? ''];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  const [lineA, lineB] = [a.position?.line ?? 0, b.position?.line ?? 0];
  return lineA - lineB || (a.position?.column ?? 0) - (b.position?.column ?? 0) || (a.code < b.code ? -1 : 1);
}
