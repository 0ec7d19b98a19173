/**
 * What the RequestAuthentications of a server make of the tokens of a request that the model lets through to them.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type {
  AuthenticatedRequest,
  CompiledMesh,
  CompiledRequestAuthentication,
  RefusedRequest,
} from '../policy/index.ts';
import type { Outcome } from './request.ts';

/** Nothing where the request does not get that far, or nobody asks for tokens there. */
export async function verdictOnTokens(
  { asked }: Outcome,
  compiled: CompiledMesh,
  authentication: CompiledRequestAuthentication,
  now: Instant,
): Promise<AuthenticatedRequest | RefusedRequest | undefined> {
  const { namespace, workload = '' } = asked?.destination ?? {};
  if (asked?.request === undefined) return undefined;
  const server = compiled.workload(`${namespace}/${workload}`);
  if (authentication.applied(server).length === 0) return undefined;
  // What CUSTOM policies refuse has not been asked for its tokens.
  if (compiled.authorization.program(asked.destination).admit(asked) !== undefined) return undefined;
  const { method, path, host, headers = {} } = asked.request;
  return authentication.authenticate(server, { method, path, headers, now, ...(host === undefined ? {} : { host }) });
}
