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

/**
 * Nothing is inherited: a client may well send a header called `constructor`. Unlike `Object.create(null)`, objects made
 * by a constructor keep their names in a shared hidden class, which makes them several times cheaper to fill and to read.
 */
class Lines {
  [name: string]: string | string[];
}
Reflect.deleteProperty(Lines.prototype, 'constructor');
Object.setPrototypeOf(Lines.prototype, null);

/** By name, in lower case. Not node's own view, which joins lines or leaves some out: policies look at each line. */
export function linesByName(raw: readonly string[]): InboundHeaders {
  const headers = new Lines();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i]?.toLowerCase(), raw[i + 1]];
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

/** A copy in which `name` has this value. */
export function withHeader(headers: InboundHeaders, name: string, value: string): InboundHeaders {
  const copy: Record<string, string | readonly string[]> = new Lines();
  for (const each in headers) copy[each] = headers[each] ?? '';
  copy[name] = value;
  return copy;
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
