/**
 * What a proxy passes on of a request, and what it makes of the answer.
 * @module
 */
import type { HttpAnswer, InboundHeaders, Reply } from '../wire/index.ts';
import { withChanges } from './forwarded-headers.ts';
import { localReply } from './local-reply.ts';
import type { Outcome } from './request.ts';

/** Headers of the connection a request came over, and those that are set anew. */
const NOT_FORWARDED: readonly string[] = [
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'content-length',
];
/** Headers of an answer's connection, and a length that may not be ours. */
const NOT_ANSWERED: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

export function onwardHeaders(headers: InboundHeaders): InboundHeaders {
  return withChanges(headers, NOT_FORWARDED, []);
}

/** The answer for who asked; nothing where its connection is to be closed without one. */
export function onwardReply(
  asked: InboundHeaders,
  { answer, outcome }: { readonly answer?: HttpAnswer; readonly outcome: Outcome },
): Reply | undefined {
  if (answer?.ok !== true) {
    const { status, body } = outcome;
    return status === 0 ? undefined : localReply(asked, { status, body });
  }
  const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !NOT_ANSWERED.has(name)));
  const length = answer.headers['content-length'];
  return {
    status: answer.status,
    // An answer to HEAD tells a length that its body does not have.
    headers: answer.body.length === 0 && length !== undefined ? { ...headers, 'content-length': length } : headers,
    body: answer.body,
    ...(answer.trailers === undefined ? {} : { trailers: answer.trailers }),
  };
}
