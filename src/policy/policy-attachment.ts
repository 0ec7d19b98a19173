/**
 * Which workloads an AuthorizationPolicy or RequestAuthentication is for.
 *
 * One with `targetRefs` is for the Gateway API Gateways it names, in its own namespace, and for no sidecar; a Pod says by
 * a label of which Gateway it is an instance. One without is for the Pods its selector chooses, a Gateway's included, in
 * its namespace or, from the root namespace, in every one.
 *
 * Not modelled: waypoints, and with them targets of the kinds Service, ServiceEntry and GatewayClass.
 * Source: https://istio.io/latest/docs/reference/config/type/workload-selector/#PolicyTargetReference
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { RequestAuthentication } from '../istio/request-authentication.ts';
import type { PolicyTargetReference } from '../istio/resource.ts';
import { selects } from '../istio/selector.ts';
import type { WorkloadSubject } from './peer-authentication.ts';

type AttachablePolicy = AuthorizationPolicy | RequestAuthentication;

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const GATEWAY_GROUP = 'gateway.networking.k8s.io';

export function policyAttaches(
  policy: AttachablePolicy,
  { namespace, labels }: WorkloadSubject,
  rootNamespace: string,
): boolean {
  const { metadata, spec } = policy;
  const isOwn = metadata.namespace === namespace;
  if (!isOwn && metadata.namespace !== rootNamespace) return false;
  const targets = targetsOf(policy);
  if (targets.length === 0) return selects(spec.selector?.matchLabels, labels);
  const gateway = Object.hasOwn(labels, GATEWAY_NAME) ? labels[GATEWAY_NAME] : undefined;
  return (
    gateway !== undefined &&
    isOwn &&
    targets.some(({ group, kind, name }) => group === GATEWAY_GROUP && kind === 'Gateway' && name === gateway)
  );
}

/** What a policy is bound to by name; `targetRef` is the older spelling of a list of one. */
export function targetsOf({ spec }: AttachablePolicy): readonly PolicyTargetReference[] {
  const { targetRef, targetRefs = [] } = spec;
  if (targetRefs.length > 0 || targetRef === undefined) return targetRefs;
  return [targetRef];
}
