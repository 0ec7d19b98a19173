/**
 * Whether a Pod runs with a sidecar: it holds one already, or Istio's webhook would put one into it. For the latter,
 * first which Pods the webhook is asked about (labels of the namespace and of the Pod), then what the injector answers
 * (host network, system namespaces, label, annotation).
 *
 * `enableNamespacesByDefault` is off, and every revision that a label names is taken to be installed. The never and
 * always selectors of the injector's own configuration are not modelled: they are empty unless someone sets them.
 * Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
 * @module
 */

type Labels = Readonly<Record<string, string>>;

export const INJECT_KEY = 'sidecar.istio.io/inject';
const NAMESPACE_KEY = 'istio-injection';
const REVISION_KEY = 'istio.io/rev';
const IGNORED_NAMESPACES: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
]);

export interface InjectionInput {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  /** The Pod's, or its template's. */
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly hostNetwork: boolean;
  /** A sidecar stands in the Pod already, whoever put it there. */
  readonly hasProxy?: boolean;
}

export interface Injection {
  readonly injected: boolean;
  readonly reason: string;
}

export function decideInjection(input: InjectionInput): Injection {
  if (input.hasProxy === true) return yes('the Pod has a container istio-proxy');
  const asked = webhookIsAsked(input);
  if (!asked.injected) return asked;
  if (input.hostNetwork) return no('the Pod uses the host network');
  if (IGNORED_NAMESPACES.has(input.namespace)) return no(`namespace ${input.namespace} is never injected`);
  // The label wins over the deprecated annotation; any value but true and false leaves it to the webhook.
  const fromLabel = own(input.labels, INJECT_KEY);
  const said = fromLabel ?? own(input.annotations, INJECT_KEY);
  const where = fromLabel === undefined ? 'annotation' : 'label';
  if (said === 'false') return no(`Pod ${where} ${INJECT_KEY}=false`);
  return said === 'true' ? yes(`${asked.reason}, Pod ${where} ${INJECT_KEY}=true`) : asked;
}

/** The selectors of the webhook configuration. */
function webhookIsAsked({ namespaceLabels, labels }: InjectionInput): Injection {
  const namespaceSays = own(namespaceLabels, NAMESPACE_KEY);
  const namespaceRevision = own(namespaceLabels, REVISION_KEY);
  const podRevision = own(labels, REVISION_KEY);
  const podSays = own(labels, INJECT_KEY);
  if (namespaceSays !== undefined && namespaceSays !== 'enabled')
    return no(`namespace label ${NAMESPACE_KEY}=${namespaceSays}`);
  if (podSays === 'false') return no(`Pod label ${INJECT_KEY}=false`);
  if (namespaceSays === 'enabled') return yes(`namespace label ${NAMESPACE_KEY}=enabled`);
  if (namespaceRevision !== undefined) return revision('namespace', namespaceRevision);
  if (podRevision !== undefined) return revision('Pod', podRevision);
  if (podSays === 'true') return yes(`Pod label ${INJECT_KEY}=true`);
  return no('neither the namespace nor the Pod has a label that asks for injection');
}

/** An empty revision names none, but hides every other rule. */
function revision(owner: string, name: string): Injection {
  const reason = `${owner} label ${REVISION_KEY}=${name}`;
  return name === '' ? no(reason) : yes(reason);
}

function own(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function yes(reason: string): Injection {
  return { injected: true, reason };
}

function no(reason: string): Injection {
  return { injected: false, reason };
}
