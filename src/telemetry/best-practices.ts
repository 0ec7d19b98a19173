/**
 * The best practices of a mesh as checks: STRICT everywhere, a policy for every service, short-lived certificates that
 * rotate by themselves, traffic that is observed, low-code callers behind the gateway, and how far a migration is.
 *
 * The caller says what is configured; what happened is read from the events. What neither shows is a warning, never a
 * pass: a rotation that no event shows has not been seen to work. Without a log (manifests that nobody ran) the checks
 * that only a log can answer are left out.
 * @module
 */
import { auditFacts, type AuditInput } from './audit-facts.ts';
import type { AuditFinding } from './audit-finding.ts';
import { auditLifetime, auditRotation } from './certificate-audit.ts';
import { auditLowcode, auditMigration, auditObservability, auditPolicies, auditStrict } from './mesh-audit.ts';

/** One finding a check, in the order of their codes. */
export function bestPractices(input: AuditInput): AuditFinding[] {
  const facts = auditFacts(input);
  const ofLog = facts.hasLog ? [auditLifetime(facts), auditRotation(facts), auditObservability(facts)] : [];
  return [auditStrict(facts), auditPolicies(facts), ...ofLog, auditLowcode(facts), auditMigration(facts)];
}
