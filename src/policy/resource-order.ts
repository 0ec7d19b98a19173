/**
 * The order in which istiod looks at resources of one kind: oldest first, then by name, then by namespace.
 *
 * A manifest without `creationTimestamp` counts as older than any that has one (Go's zero time), so among plain files
 * the name decides and the order of files never does.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { ObjectMeta, Resource } from '../istio/resource.ts';

/** Milliseconds since the Unix epoch; below every real date where the timestamp is absent or unreadable. */
export function creationTimeMs(metadata: ObjectMeta): number {
  const ms = metadata.creationTimestamp === undefined ? Number.NaN : Date.parse(metadata.creationTimestamp);
  return Number.isNaN(ms) ? Number.NEGATIVE_INFINITY : ms;
}

/** By code point, as Go compares strings. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Oldest first, ties by name, then namespace. */
export function compareByAge(a: { readonly metadata: ObjectMeta }, b: { readonly metadata: ObjectMeta }): number {
  const [left, right] = [creationTimeMs(a.metadata), creationTimeMs(b.metadata)];
  if (left !== right) return left < right ? -1 : 1;
  return compareText(a.metadata.name, b.metadata.name) || compareText(a.metadata.namespace, b.metadata.namespace);
}

export function refOf(resource: Resource<string, unknown>): PolicyRef {
  return { kind: resource.kind, namespace: resource.metadata.namespace, name: resource.metadata.name };
}
