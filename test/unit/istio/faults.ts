/**
 * A resource's faults and warnings as lines of text.
 */
import { ConfigError, formatPath, resourceWarnings, validateResource } from '../../../src/istio/index.ts';

const GROUPS: Readonly<Record<string, string>> = {
  PeerAuthentication: 'security.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  DestinationRule: 'networking.istio.io/v1',
  ServiceEntry: 'networking.istio.io/v1',
  WorkloadEntry: 'networking.istio.io/v1',
  Sidecar: 'networking.istio.io/v1',
};

interface Head {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

function resource(kind: string, spec: unknown, head: Head): unknown {
  return { apiVersion: GROUPS[kind], kind, metadata: { name: 'x', namespace: 'ns', ...head }, spec };
}

/** The faults as `path: message`, without the resource. */
export function faults(kind: string, spec: unknown, head: Head = {}): readonly string[] {
  try {
    validateResource(resource(kind, spec, head));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) => `${issue.path}: ${issue.message}`);
  }
}

/** What the webhook warns of, as `path: message`. */
export function warnings(kind: string, spec: unknown, head: Head = {}): readonly string[] {
  return resourceWarnings(validateResource(resource(kind, spec, head))).map(
    (issue) => `${formatPath(issue.path)}: ${issue.message}`,
  );
}
