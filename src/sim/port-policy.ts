/**
 * What the compiled configuration says about one workload port, in the form its listener asks for.
 * @module
 */
import type { Workload } from '../istio/index.ts';
import {
  type CompiledMesh,
  type CompiledRequestAuthentication,
  type FirstBytes,
  type ProtocolClass,
  normalizePath,
  queryOf,
  selectFilterChain,
} from '../policy/index.ts';
import type { FilterChain, FirstFlight } from '../wire/index.ts';
import type { Gateway } from './gateway.ts';
import type { PortPolicy } from './server-sidecar.ts';

export function portPolicy(
  compiled: CompiledMesh,
  authentication: CompiledRequestAuthentication,
  workload: Workload,
  port: number,
  gateway?: Gateway,
): PortPolicy {
  const { mode } = compiled.peerAuthentication(workload, port);
  const protocol = compiled.portProtocol(workload, port);
  const { namespace, name } = workload;
  const program = compiled.authorization.program({ namespace, workload: name, port });
  const normalization = compiled.config.settings.pathNormalization;
  return {
    chain: (flight) => {
      if (gateway !== undefined) return gateway.chain(flight);
      const chain = selectFilterChain(mode, protocol, firstBytes(flight));
      if (chain === undefined) return 'refuse';
      if (chain.terminatesTls) return chain.protocol === 'http' ? 'mtls-http' : 'mtls-tcp';
      return unterminated(chain.protocol, flight);
    },
    decide: (request, admitted) => program.decide(request, admitted),
    ...(authentication.applied(workload).length === 0
      ? {}
      : {
          tokens: {
            admit: (request) => program.admit(request),
            authenticate: (request) => authentication.authenticate(workload, request),
          },
        }),
    // A path that cannot be normalised was refused before it gets here.
    normalize: (path) => (normalizePath(path, normalization) ?? path) + queryOf(path),
  };
}

function firstBytes(flight: FirstFlight): FirstBytes {
  return flight.kind === 'raw'
    ? { transport: 'raw', bytes: flight.looksLike }
    : { transport: 'tls', alpn: flight.alpn };
}

function unterminated(protocol: 'http' | 'tcp', flight: FirstFlight): FilterChain {
  if (protocol === 'tcp') return flight.kind === 'tls' ? 'passthrough' : 'plain-tcp';
  return flight.kind === 'raw' && flight.looksLike === 'http' ? 'plain-http' : 'codec-error';
}

/** What a port's events say it speaks; nothing where its connections tell. */
export function declaredAs(protocol: ProtocolClass): 'http' | 'tcp' | undefined {
  return protocol === 'http' || protocol === 'tcp' ? protocol : undefined;
}
