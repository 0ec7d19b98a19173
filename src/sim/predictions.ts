/**
 * Calls answered from the compiled configuration alone, without sockets: whose call it is and where it goes, then what
 * `prediction.ts` makes of it.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { CompiledMesh, CompiledRequestAuthentication } from '../policy/index.ts';
import type { ClientTrust } from './client-trust.ts';
import { callerKind } from './departures.ts';
import { unresolved } from './exchange-report.ts';
import type { Gateways } from './gateways.ts';
import type { MeshCa } from './mesh-ca.ts';
import { verdictOnTokens } from './predicted-tokens.ts';
import { predict, type PredictionInput } from './prediction.ts';
import type { MeshConnection, MeshRequest, Outcome } from './request.ts';
import type { RunningWorkload } from './running-workload.ts';
import type { NoTarget, Target } from './targets.ts';

/** What predictions ask of their mesh. */
export interface PredictionPort {
  readonly ca: MeshCa;
  readonly trust: ClientTrust;
  readonly gateways: Gateways;
  now(): Instant;
  compiled(): CompiledMesh;
  authentication(): CompiledRequestAuthentication;
  /** @throws MeshError `ERR_REQUEST_INVALID` */
  find(workload: string): RunningWorkload;
  /** @throws MeshError `ERR_REQUEST_INVALID` */
  resolve(to: string, namespace: string): Target | NoTarget;
}

export class Predictions {
  readonly #port: PredictionPort;

  constructor(port: PredictionPort) {
    this.#port = port;
  }

  request(request: MeshRequest): Outcome {
    return this.#predict(request, { request });
  }

  /** The same, with tokens verified as the server's RequestAuthentications have it. */
  async verified(request: MeshRequest): Promise<Outcome> {
    const outcome = this.request(request);
    const port = this.#port;
    const tokens = await verdictOnTokens(outcome, port.compiled(), port.authentication(), port.now());
    return tokens === undefined ? outcome : this.#predict(request, { request, tokens });
  }

  connection(connection: MeshConnection): Outcome {
    return this.#predict(connection, { connection });
  }

  #predict(
    call: Pick<MeshRequest, 'from' | 'to'>,
    asked: Partial<Pick<PredictionInput, 'request' | 'connection' | 'tokens'>>,
  ): Outcome {
    const port = this.#port;
    const { ca, trust, gateways } = port;
    const compiled = port.compiled();
    const { request, connection, tokens } = asked;
    const caller = callerKind(call.from, (name) => port.find(name));
    const target = port.resolve(call.to, caller.running?.workload.namespace ?? 'default');
    if ('kind' in target) {
      const registryOnly = compiled.config.settings.outboundTrafficPolicy === 'REGISTRY_ONLY';
      const outcome = unresolved({ ...target, viaSidecar: caller.kind === 'sidecar', registryOnly });
      return request === undefined ? { ...outcome, status: 0, body: '' } : outcome;
    }
    const server = port.find(`${target.workload.namespace}/${target.workload.name}`);
    const gateway = gateways.at(server.name, target.endpoint.port);
    return predict({
      ...(gateway && { gateway: { gateway, onward: (passed) => this.request({ ...passed, from: server.name }) } }),
      request,
      connection,
      caller,
      target,
      server,
      compiled,
      ca,
      trust,
      now: port.now(),
      tokens,
    });
  }
}
