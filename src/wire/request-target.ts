/**
 * What an HTTP/1 request asks for, and of whom: the request target and the Host header taken together.
 *
 * A target in absolute form replaces the Host that came with it, as proxies and policies on paths and hosts must see it.
 * Source: RFC 9112 3.2; Envoy's HTTP/1 codec with `allow_absolute_url`, its default.
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { countOf } from './header-lines.ts';

export interface RequestTarget {
  /** Path and query; `*` and the authority of CONNECT as they are. */
  readonly path: string;
  readonly host: string | undefined;
  readonly rawHeaders: readonly string[];
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

export function targetOf(request: IncomingMessage): RequestTarget {
  const { url = '', rawHeaders } = request;
  const { host } = request.headers;
  if (url.startsWith('/')) return { path: url, host, rawHeaders };
  const [, authority, rest = ''] = ABSOLUTE.exec(url) ?? [];
  if (authority === undefined) return { path: url, host, rawHeaders };
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return { path, host: authority, rawHeaders: withHost(rawHeaders, authority) };
}

function withHost(raw: readonly string[], host: string): readonly string[] {
  return raw.map((text, i) => (i % 2 === 1 && raw[i - 1]?.toLowerCase() === 'host' ? host : text));
}

/** What is wrong with a request that its parser has let through: one Host, no user in it. RFC 9112 3.2, RFC 9110 4.2.4. */
export function targetFault({ httpVersion, rawHeaders, url = '' }: IncomingMessage): string | undefined {
  const hosts = countOf(rawHeaders, 'host');
  if (hosts > 1) return 'more than one Host header';
  if (hosts === 0 && httpVersion !== '1.0') return 'no Host header';
  if (url.startsWith('/')) return undefined;
  const [, authority] = ABSOLUTE.exec(url) ?? [];
  return authority === '' || authority?.includes('@') === true ? `\`${authority}\` is no host` : undefined;
}
