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
import { hasBody, type Upgrading } from './inbound-exchange.ts';
import { codeOf, detailOf } from './socket-error.ts';
import { targetFault } from './request-target.ts';

/** Envoy's `max_request_headers_kb` is 60. */
export const HEADER_BYTES_MAX = 61_440;
/** Envoy's `max_headers_count`. */
export const HEADERS_MAX = 100;

export const BAD_REQUEST = '400 Bad Request';
const HEADERS_TOO_LARGE = '431 Request Header Fields Too Large';

export interface HttpCodecOptions {
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /** A request that wants its connection for another protocol, h2c excepted. Absent: it is an ordinary request. */
  readonly onUpgrade?: (request: IncomingMessage, response: ServerResponse, upgrading: Upgrading) => void;
  /** CONNECT. Absent: it goes to `onUpgrade`. */
  readonly onConnect?: (request: IncomingMessage, upgrading: Upgrading) => void;
  onCodecError(socket: Duplex, detail: string): void;
}

export function createHttpCodec(options: HttpCodecOptions): Server {
  const server = createServer({
    keepAliveTimeout: 0,
    headersTimeout: 0,
    requestTimeout: 0,
    maxHeaderSize: HEADER_BYTES_MAX,
    // Looked at here, together with whether there is more than one.
    requireHostHeader: false,
  });
  server.timeout = 0;
  // node would leave out what goes beyond its limit, without a word; the bytes are limited all the same.
  server.maxHeadersCount = 0;
  const check: Check = (request) => faultOf(request, options);
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    response.sendDate = false;
    const fault = check(request);
    if (fault === undefined) options.onRequest(request, response);
    else refuse(response, fault);
  };
  server.on('request', onRequest);
  // What a client expects other than 100-continue is the application's affair.
  server.on('checkExpectation', onRequest);
  takeUpgrades(server, options, check);
  server.on('clientError', (error, socket) => {
    const code = codeOf(error) ?? '';
    const isCodecError = code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
    if (isCodecError) options.onCodecError(socket, detailOf(error));
    if (isCodecError) endWith(socket, code === 'HPE_HEADER_OVERFLOW' ? HEADERS_TOO_LARGE : BAD_REQUEST);
    else socket.destroy();
  });
  return server;
}

type Check = (request: IncomingMessage) => string | undefined;

/** The status of a request that its parser has let through, but no sidecar does. */
function faultOf(request: IncomingMessage, options: HttpCodecOptions): string | undefined {
  const tooMany = request.rawHeaders.length > 2 * HEADERS_MAX;
  const fault = tooMany ? `more than ${HEADERS_MAX} headers` : targetFault(request);
  if (fault === undefined) return undefined;
  options.onCodecError(request.socket, fault);
  return tooMany ? HEADERS_TOO_LARGE : BAD_REQUEST;
}

function refuse(response: ServerResponse, status: string): void {
  response.shouldKeepAlive = false;
  response.writeHead(Number(status.slice(0, 3)), { 'content-length': 0, connection: 'close' }).end();
}

function takeUpgrades(server: Server, options: HttpCodecOptions, check: Check): void {
  const { onUpgrade, onConnect } = options;
  const take = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    const fault = check(request);
    if (fault !== undefined) {
      endWith(socket, fault);
      return;
    }
    if (request.method === 'CONNECT' && onConnect !== undefined) {
      onConnect(request, { socket, head });
      return;
    }
    const response = new ServerResponse(request);
    response.sendDate = false;
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.end());
    // A proxy ignores the offer of h2c (RFC 9113 3.1). The body of such a request has not been read, so it may have none.
    if (request.headers.upgrade?.toLowerCase() !== 'h2c') onUpgrade?.(request, response, { socket, head });
    else if (hasBody(request)) refuse(response, BAD_REQUEST);
    else options.onRequest(request, response);
  };
  if (onUpgrade !== undefined) server.on('upgrade', take);
  if (onUpgrade !== undefined || onConnect !== undefined) server.on('connect', take);
}

/** Answers what could not be read, and closes. */
export function endWith(socket: Duplex, status: string): void {
  if (socket.writable)
    socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`, () => socket.destroy());
  else socket.destroy();
}
