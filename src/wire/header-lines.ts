/**
 * Header lines by name, as policies look at them: one value for each line.
 * @module
 */
import type { InboundHeaders } from './inbound.ts';

/**
 * Nothing is inherited: a client may well send a header called `constructor`. Unlike `Object.create(null)`, objects made
 * by a constructor keep their names in a shared hidden class, which makes them several times cheaper to fill and to read.
 */
class Lines {
  [name: string]: string | string[];
}
Reflect.deleteProperty(Lines.prototype, 'constructor');
Object.setPrototypeOf(Lines.prototype, null);

/** Not node's own view, which joins lines or leaves some out. Names are in lower case. */
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
