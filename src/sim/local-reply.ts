/**
 * Answers that a sidecar writes itself. A gRPC caller gets them as gRPC: status 200, the real one in `grpc-status`.
 *
 * Source: Envoy's local replies and its mapping of HTTP to gRPC status,
 * https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 * @module
 */
import type { InboundHeaders, Reply } from '../wire/index.ts';

const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const UNKNOWN = 2;

export function grpcStatusOf(httpStatus: number): number {
  return GRPC_STATUS[httpStatus] ?? UNKNOWN;
}

export function isGrpc(headers: InboundHeaders): boolean {
  const type = headers['content-type'];
  return typeof type === 'string' && /^application\/grpc(?:$|[+;])/.test(type);
}

export interface LocalReply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function localReply(request: InboundHeaders, { status, body, headers = {} }: LocalReply): Reply {
  if (!isGrpc(request)) {
    return { status, body, headers: body === '' ? headers : { 'content-type': 'text/plain', ...headers } };
  }
  return {
    status: 200,
    headers: {
      ...headers,
      'content-type': 'application/grpc',
      'grpc-status': String(grpcStatusOf(status)),
      ...(body === '' ? {} : { 'grpc-message': percentEncoded(body) }),
    },
  };
}

/** As gRPC writes messages: printable ASCII but `%` stands for itself. */
function percentEncoded(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}
