/**
 * Rules that every policy shares: what it is bound to, and annotations that change how it is enforced.
 * @module
 */
import { didYouMean } from '../core/suggest.ts';
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import type { PolicyTargetReference, WorkloadSelector } from './resource.ts';

const LABEL_VALUE_MAX = 63;

interface Target {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
}

/** Validates `spec.selector`, `spec.targetRef` and `spec.targetRefs` of a policy. */
export function validateTarget(spec: Target, at: Decoding): void {
  const refs = spec.targetRefs ?? [];
  const named = [spec.selector, spec.targetRef, refs.length > 0 ? refs : undefined].filter((one) => one !== undefined);
  if (named.length > 1) at.fault('only one of `selector`, `targetRef` and `targetRefs` may be given');
  if (spec.selector !== undefined) validateSelector(spec.selector, at);
  const single = spec.targetRef;
  if (single !== undefined) at.in('targetRef', () => validateTargetRef(single, at));
  refs.forEach((ref, index) => at.in('targetRefs', () => at.in(index, () => validateTargetRef(ref, at))));
}

/** Validates `selector.matchLabels`. */
export function validateSelector(selector: WorkloadSelector, at: Decoding, field = 'selector'): void {
  at.in(field, () => validateLabels(selector.matchLabels, 'matchLabels', at));
}

/** Validates the labels a selector asks for, in the field `name`. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, name: string, at: Decoding): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) at.warn('a selector without labels selects every workload');
  for (const [key, value] of entries) {
    if (key === '') at.fault('an empty label key is not allowed', name, key);
    if (key.includes('*') || value.includes('*')) {
      at.fault(`${quote(`${key}: ${value}`)}: a selector takes no wildcard`, name, key);
    }
    if (value.length > LABEL_VALUE_MAX) at.fault(`a label value may have ${LABEL_VALUE_MAX} characters`, name, key);
  }
}

const TARGETS = [
  { group: 'core', kind: 'Service' },
  { group: 'networking.istio.io', kind: 'ServiceEntry' },
  { group: 'gateway.networking.k8s.io', kind: 'Gateway' },
  { group: 'gateway.networking.k8s.io', kind: 'GatewayClass' },
] as const;

function validateTargetRef(ref: PolicyTargetReference, at: Decoding): void {
  if (ref.name === '') at.fault('the name may not be empty', 'name');
  if (ref.namespace !== undefined && ref.namespace !== '') {
    at.fault('a target in another namespace is not supported', 'namespace');
  }
  const group = ref.group === undefined || ref.group === '' ? 'core' : ref.group;
  const ofKind = TARGETS.filter((target) => target.kind === ref.kind);
  if (ofKind.length === 0) {
    const kinds = TARGETS.map((target) => target.kind);
    at.fault(`expected one of ${kinds.join(', ')}, found ${quote(ref.kind)}${didYouMean(ref.kind, kinds)}`, 'kind');
  } else if (!ofKind.some((target) => target.group === group)) {
    at.fault(`the group of ${ref.kind} is \`${ofKind[0]?.group === 'core' ? '' : ofKind[0]?.group}\``, 'group');
  }
}

const DRY_RUN = 'istio.io/dry-run';
/** Annotations that only Istio itself may set, or that ask for a refusal. */
const FORBIDDEN: readonly string[] = [
  'internal.istio.io/webhook-always-reject',
  'internal.istio.io/parents',
  'internal.istio.io/parent-namespace',
];
/** What Go's `strconv.ParseBool` reads. */
const BOOLEANS: ReadonlySet<string> = new Set('1 t T TRUE true True 0 f F FALSE false False'.split(' '));

/** Validates the annotations Istio gives a meaning. `action` is that of an AuthorizationPolicy. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  at: Decoding,
  action?: string,
): void {
  const fault = (key: string, message: string): void => at.fault(message, 'metadata', 'annotations', key);
  for (const key of FORBIDDEN) {
    if (Object.hasOwn(annotations, key)) fault(key, `the annotation \`${key}\` may not be set`);
  }
  if (!Object.hasOwn(annotations, DRY_RUN)) return;
  const value = annotations[DRY_RUN] ?? '';
  if (action === undefined) fault(DRY_RUN, 'only an AuthorizationPolicy can be a dry run');
  else if (action !== 'ALLOW' && action !== 'DENY') fault(DRY_RUN, `a policy of action ${action} cannot be a dry run`);
  else if (!BOOLEANS.has(value)) fault(DRY_RUN, `expected true or false, found ${quote(value)}`);
}
