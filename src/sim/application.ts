/**
 * The application behind a sidecar: a function in process, or a real server on loopback.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { WorkloadRef } from '../core/index.ts';

export interface ApplicationRequest {
  readonly method: string;
  /** Normalised, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array;
}

export interface ApplicationResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
  /** HTTP/2 alone: where gRPC keeps its status. */
  readonly trailers?: Readonly<Record<string, string>>;
}

export type Application = (request: ApplicationRequest) => ApplicationResponse | Promise<ApplicationResponse>;

/** Takes raw connections; may speak first. Bytes of a client come only after authorization has let them through. */
export type TcpApplication = (stream: Duplex) => void;

/** An application that is more than a function that answers HTTP. */
export interface ApplicationServer {
  readonly http?: Application;
  /** With `http` beside it: connections that do not begin as HTTP. */
  readonly tcp?: TcpApplication;
  /** The application ends TLS itself, with this chain and key (PEM). */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** A real server on loopback, `127.0.0.1:5432`, instead of all the above. */
  readonly address?: string;
}

export type ApplicationOption = Application | ApplicationServer;

/** Says back what it hears. */
export const echoTcp: TcpApplication = (stream) => {
  stream.on('error', () => undefined);
  stream.pipe(stream);
};

/** Answers 200 and says who answered. */
export function echoApplication(workload: WorkloadRef): Application {
  const service = `${workload.namespace}/${workload.name}`;
  return ({ method, path }) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service, method, path }),
  });
}
