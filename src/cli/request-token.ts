/**
 * What RequestAuthentication policies make of a request before AuthorizationPolicies see it: refused with 401 or 403, or
 * changed, its token read and taken off.
 * @module
 */
import type { Instant } from '../core/index.ts';
import {
  compileRequestAuthentication,
  type AuthorizationRequest,
  type CompiledMesh,
  type Decision,
  type RefusedRequest,
} from '../policy/index.ts';

interface Verification {
  readonly at: Instant;
  /** A JWK set for every rule that has a `jwksUri`: nothing is fetched here. */
  readonly jwks: string | undefined;
}

export type AuthenticationResult =
  | { readonly request: AuthorizationRequest }
  | { readonly decision: Decision; readonly wwwAuthenticate: string };

/** A request whose token is told in `auth` already, and a raw connection, are left as they are. */
export async function authenticateRequest(
  { config }: CompiledMesh,
  asked: AuthorizationRequest,
  { at, jwks }: Verification,
): Promise<AuthenticationResult> {
  const { destination, request } = asked;
  if (request === undefined || request.auth !== undefined) return { request: asked };
  const { namespace, workload, labels } = destination;
  const declared = config.workloads.find((each) => each.namespace === namespace && each.name === workload);
  const server = { namespace, labels: declared?.labels ?? labels ?? {} };
  const compiled = compileRequestAuthentication(config, jwks === undefined ? {} : { jwks: () => jwks });
  const { method, path, host, headers = {} } = request;
  const result = await compiled.authenticate(server, {
    method,
    path,
    ...(host === undefined ? {} : { host }),
    headers,
    now: at,
  });
  if (!result.ok) {
    return { decision: refusal(result, compiled.applied(server)), wwwAuthenticate: result.wwwAuthenticate };
  }
  const left = Object.entries(headers).filter(([name]) => !result.headersToRemove.includes(name.toLowerCase()));
  const lines = [...left, ...result.headersToAdd];
  return {
    request: {
      ...asked,
      request: {
        ...request,
        path: result.path ?? path,
        headers: Object.fromEntries(lines),
        ...(result.auth === undefined ? {} : { auth: result.auth }),
      },
    },
  };
}

function refusal({ status, body, detail }: RefusedRequest, determining: Decision['determining']): Decision {
  const trace = { detail, matched: [], audited: [], nearMisses: [] };
  return { decision: 'deny', status, determining, reason: body, dryRun: [], trace };
}
