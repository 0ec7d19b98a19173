/**
 * Opens the listener of one workload port, and tells the log what its connections do.
 * @module
 */
import { type EventLog, type Instant, MeshError, type PeerRef } from '../core/index.ts';
import type { AddressBook, InboundConnection, InboundRefusal, TlsVersion } from '../wire/index.ts';
import type { ExchangeLedger } from './exchange-ledger.ts';
import type { Gateway } from './gateway.ts';
import type { MeshCa } from './mesh-ca.ts';
import { reportForeign, reportForeignRefusal } from './foreign-report.ts';
import { parseWorkloadTarget } from './request.ts';
import type { RunningWorkload } from './running-workload.ts';
import { type EdgePort, type PortPolicy, ServerSidecar } from './server-sidecar.ts';

export interface ListenContext {
  readonly events: EventLog;
  readonly ledger: ExchangeLedger;
  readonly addresses: AddressBook;
  readonly ca: MeshCa;
  now(): Instant;
  requestId(): string;
  /** Asked anew for every connection and request. */
  policy(): PortPolicy;
  readonly minVersion: TlsVersion;
  /** Told of every connection the port refuses, whoever opened it. */
  refused(refusal: InboundRefusal): void;
  /** What the port is declared to speak; absent where its connections tell. */
  readonly protocol: 'http' | 'tcp' | undefined;
  /** The mesh is going down: connections that close now are not worth an event. */
  closing(): boolean;
  /** The port is a gateway's: whom it shows, and where it leads. */
  readonly gateway: { readonly gateway: Gateway; readonly edge: EdgePort } | undefined;
  /** The loopback port to listen on; absent: any that is free. */
  readonly listenPort: number | undefined;
}

/** @throws MeshError `ERR_WIRE_LISTEN` */
export function listenFor(running: RunningWorkload, port: number, context: ListenContext): Promise<ServerSidecar> {
  const { workload, ip, agent } = running;
  const { events, ledger, addresses, ca, minVersion } = context;
  const gateway = context.gateway?.gateway;
  const now = (): Instant => context.now();
  return ServerSidecar.listen({
    namespace: workload.namespace,
    workload: workload.name,
    port,
    ip,
    application: running.application(port),
    ledger,
    self: () => agent?.spiffeId ?? running.spiffeId,
    requestId: () => context.requestId(),
    onForeign: (seen) => reportForeign(events, running, seen),
    now,
    policy: agent === undefined ? undefined : () => context.policy(),
    ...(context.gateway && { edge: context.gateway.edge }),
    listener: {
      addresses,
      identity: () => (gateway === undefined ? agent?.current() : gateway.credential),
      verifyClient: (chain) => {
        if (gateway !== undefined) return gateway.verifyClient(chain, now());
        return agent === undefined ? ca.verifyClient(chain, now()) : ca.verifyClient(chain, agent.now(), agent.trusted);
      },
      minVersion,
      ...(context.listenPort === undefined ? {} : { listenPort: context.listenPort }),
      onRefused: (refusal) => {
        ledger.refused(refusal);
        context.refused(refusal);
        if (refusal.source === undefined) reportForeignRefusal(events, running, refusal);
      },
      onOpened: (connection) => {
        const { id, security, tlsVersion, resumed } = connection;
        events.append({
          kind: 'connection.opened',
          connection: id,
          ...(context.protocol === undefined ? {} : { protocol: context.protocol }),
          source: sourceOf(connection),
          destination: { workload: { namespace: workload.namespace, name: workload.name } },
          port,
          security,
          ...(tlsVersion === undefined ? {} : { tlsVersion }),
          resumed,
        });
      },
      onClosed: ({ id }) => {
        if (!context.closing()) events.append({ kind: 'connection.closed', connection: id });
      },
    },
  });
}

function sourceOf({ source, principal }: InboundConnection): PeerRef {
  const proved = principal === undefined ? {} : { principal };
  const [namespace, name] = source?.workload.split('/') ?? [];
  if (namespace === undefined || name === undefined || namespace.startsWith('outside')) return proved;
  return { workload: { namespace, name }, ...proved };
}

/** Listeners that are wanted by number: of a workload port, or without a port of where the workload calls out. */
export function* portsAskedFor(
  listen: Readonly<Record<string, number>> = {},
): Iterable<{ readonly name: string; readonly workload: string; readonly port: number | undefined }> {
  for (const name of Object.keys(listen)) {
    const target = parseWorkloadTarget(name);
    if (target === undefined) {
      throw new MeshError(
        'ERR_REQUEST_INVALID',
        `\`${name}\` is neither a workload nor a workload port such as default/api-gateway:8080`,
      );
    }
    yield { name, workload: `${target.namespace}/${target.name}`, port: target.port };
  }
}
