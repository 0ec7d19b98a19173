/**
 * The application behind a sidecar: a function in process.
 * @module
 */
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
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export type Application = (request: ApplicationRequest) => ApplicationResponse | Promise<ApplicationResponse>;

/** Answers 200 and says who answered. */
export function echoApplication(workload: WorkloadRef): Application {
  const service = `${workload.namespace}/${workload.name}`;
  return ({ method, path }) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service, method, path }),
  });
}
