/**
 * node's HTTP/1 server as a codec: it never listens, connections are handed to it.
 *
 * Nothing in it depends on wall time: kept-alive connections stay open until a side closes them, because virtual time
 * may stand still for as long as it likes. Bytes that are not HTTP are answered as Envoy's codec does: 400, close.
 * @module
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Upgrading } from './inbound-exchange.ts';
import { codeOf, detailOf } from './socket-error.ts';

/** Envoy's `max_request_headers_kb` is 60. */
export const HEADER_BYTES_MAX = 61_440;

export const BAD_REQUEST = '400 Bad Request';
const HEADERS_TOO_LARGE = '431 Request Header Fields Too Large';

export interface HttpCodecOptions {
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /** A request that wants its connection for another protocol. Absent: it is an ordinary request. */
  readonly onUpgrade?: (request: IncomingMessage, response: ServerResponse, upgrading: Upgrading) => void;
  /** CONNECT. Absent: the connection is closed. */
  readonly onConnect?: (request: IncomingMessage, upgrading: Upgrading) => void;
  onCodecError(socket: Duplex, detail: string): void;
}

export function createHttpCodec(options: HttpCodecOptions): Server {
  const server = createServer(
    { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0, maxHeaderSize: HEADER_BYTES_MAX },
    (request, response) => {
      response.sendDate = false;
      options.onRequest(request, response);
    },
  );
  server.timeout = 0;
  const { onUpgrade, onConnect } = options;
  if (onUpgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const response = new ServerResponse(request);
      response.sendDate = false;
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.once('finish', () => socket.end());
      onUpgrade(request, response, { socket, head });
    });
  }
  if (onConnect !== undefined) {
    server.on('connect', (request: IncomingMessage, socket, head: Buffer) => onConnect(request, { socket, head }));
  }
  server.on('clientError', (error, socket) => {
    const code = codeOf(error) ?? '';
    const isCodecError = code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
    if (isCodecError) options.onCodecError(socket, detailOf(error));
    if (isCodecError) endWith(socket, code === 'HPE_HEADER_OVERFLOW' ? HEADERS_TOO_LARGE : BAD_REQUEST);
    else socket.destroy();
  });
  return server;
}

/** Answers what could not be read, and closes. */
export function endWith(socket: Duplex, status: string): void {
  if (socket.writable)
    socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`, () => socket.destroy());
  else socket.destroy();
}
