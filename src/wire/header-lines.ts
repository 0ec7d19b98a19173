/**
 * Header lines as they travel: name, value, name, value, …
 * @module
 */
import type { InboundHeaders } from './inbound.ts';

/** What belongs to one connection alone, and is not passed on. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);

/** Not node's own view, which joins lines or leaves some out: policies look at each line. */
export function linesByName(raw: readonly string[]): InboundHeaders {
  // Without a prototype: a client may well send a header called `constructor`.
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i]?.toLowerCase(), raw[i + 1]];
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

/** Header lines, less what the connection owns. */
export function endToEnd(raw: readonly string[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i], raw[i + 1]];
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, value);
  }
  return headers;
}

/** How often a name stands in header lines. */
export function countOf(raw: readonly string[], name: string): number {
  let count = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const line = raw[i];
    if (line?.length === name.length && line.toLowerCase() === name) count += 1;
  }
  return count;
}
