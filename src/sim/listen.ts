/**
 * Opens the listener of one workload port, and tells the log what its connections do.
 * @module
 */
import type { EventLog, Instant, PeerRef } from '../core/index.ts';
import type { AddressBook, InboundConnection, InboundRefusal, TlsVersion } from '../wire/index.ts';
import type { ExchangeLedger } from './exchange-ledger.ts';
import type { MeshCa } from './mesh-ca.ts';
import { reportForeign, reportForeignRefusal } from './foreign-report.ts';
import type { RunningWorkload } from './running-workload.ts';
import { type PortPolicy, ServerSidecar } from './server-sidecar.ts';

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
  /** The loopback port to listen on; absent: any that is free. */
  readonly listenPort: number | undefined;
}

/** @throws MeshError `ERR_WIRE_LISTEN` */
export function listenFor(running: RunningWorkload, port: number, context: ListenContext): Promise<ServerSidecar> {
  const { workload, ip, agent } = running;
  const { events, ledger, addresses, ca, minVersion } = context;
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
    listener: {
      addresses,
      identity: () => agent?.current(),
      verifyClient: (chain) =>
        agent === undefined ? ca.verifyClient(chain, now()) : ca.verifyClient(chain, agent.now(), agent.trusted),
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
