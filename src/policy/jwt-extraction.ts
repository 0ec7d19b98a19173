/**
 * Where a request carries tokens, and what is left of the request once they are taken out.
 *
 * The request is changed as Envoy changes it while it verifies: output headers are cleared before a rule is tried, and
 * a token's header or parameter is removed as soon as that token proved good, even if a later one fails. Taking a
 * parameter out rewrites the whole query, decoded and sorted by name. Cookies stay.
 *
 * Source: Envoy's JWT filter (`extractor`); https://istio.io/latest/docs/reference/config/security/jwt/
 * @module
 */
import type { JwtRule } from '../istio/request-authentication.ts';
import { compareText } from './resource-order.ts';

/** Header lines of a request by lower-case name, and its path; changed in place. */
export class MutableRequest {
  readonly #lines = new Map<string, string[]>();
  readonly #removed = new Set<string>();
  readonly #added = new Map<string, string[]>();
  #path: string;

  constructor(path: string, headers: Readonly<Record<string, string | readonly string[]>>) {
    this.#path = path;
    for (const [name, value] of Object.entries(headers)) {
      const key = name.toLowerCase();
      const lines = typeof value === 'string' ? [value] : value;
      this.#lines.set(key, [...(this.#lines.get(key) ?? []), ...lines]);
    }
  }

  get path(): string {
    return this.#path;
  }

  lines(name: string): readonly string[] {
    const key = name.toLowerCase();
    return [...(this.#lines.get(key) ?? []), ...(this.#added.get(key) ?? [])];
  }

  remove(name: string): void {
    const key = name.toLowerCase();
    if (this.#lines.delete(key)) this.#removed.add(key);
    this.#added.delete(key);
  }

  add(name: string, value: string): void {
    const key = name.toLowerCase();
    this.#added.set(key, [...(this.#added.get(key) ?? []), value]);
  }

  removeParameter(name: string): void {
    const { head, parameters } = splitQuery(this.#path);
    const rest = parameters.filter((parameter) => parameter.name !== name);
    rest.sort((a, b) => compareText(a.name, b.name));
    const query = rest.map((parameter) => `${parameter.name}=${parameter.value}`).join('&');
    this.#path = query === '' ? head : `${head}?${encodeUnprintable(query)}`;
  }

  /** Lower-case names whose lines as they arrived are gone. */
  get removedHeaders(): readonly string[] {
    return [...this.#removed];
  }

  get addedHeaders(): readonly (readonly [name: string, value: string])[] {
    return [...this.#added].flatMap(([name, values]) => values.map((value) => [name, value] as const));
  }
}

export interface FoundToken {
  readonly token: string;
  /** Takes the token out of the request it was found in. */
  readonly remove: () => void;
}

/** Every token in the locations of one rule, in Envoy's order: headers, parameters, cookies, each by name. */
export function extractTokens(rule: JwtRule, request: MutableRequest): readonly FoundToken[] {
  const { headers, parameters, cookies } = locationsOf(rule);
  return [
    ...headers.flatMap(({ name, prefix }) => headerTokens(request, name, prefix)),
    ...parameters.flatMap((name) => {
      const first = splitQuery(request.path).parameters.find((parameter) => parameter.name === name);
      return first === undefined ? [] : [{ token: first.value, remove: () => request.removeParameter(name) }];
    }),
    ...cookies.flatMap((name) => {
      const token = parseCookies(request.lines('cookie')).get(name);
      return token === undefined ? [] : [{ token, remove: () => {} }];
    }),
  ];
}

/** Headers a rule writes, which a caller must not be able to forge. */
export function outputHeaders(rule: JwtRule): readonly string[] {
  const claims = (rule.outputClaimToHeaders ?? []).map(({ header }) => header);
  const payload = rule.outputPayloadToHeader ?? '';
  return payload === '' ? claims : [payload, ...claims];
}

/** Where a rule looks for tokens. */
export interface Locations {
  readonly headers: readonly { readonly name: string; readonly prefix: string }[];
  readonly parameters: readonly string[];
  readonly cookies: readonly string[];
}

const DEFAULT_LOCATIONS: Locations = {
  headers: [{ name: 'authorization', prefix: 'Bearer ' }],
  parameters: ['access_token'],
  cookies: [],
};

/** The default ones where a rule names none. */
export function locationsOf({ fromHeaders = [], fromParams = [], fromCookies = [] }: JwtRule): Locations {
  if (fromHeaders.length + fromParams.length + fromCookies.length === 0) return DEFAULT_LOCATIONS;
  const headers = new Map(
    fromHeaders.map(({ name, prefix = '' }) => [name.toLowerCase() + prefix, { name: name.toLowerCase(), prefix }]),
  );
  return {
    headers: [...headers].sort(([a], [b]) => compareText(a, b)).map(([, header]) => header),
    parameters: [...new Set(fromParams)].sort(compareText),
    cookies: [...new Set(fromCookies)].sort(compareText),
  };
}

function headerTokens(request: MutableRequest, name: string, prefix: string): readonly FoundToken[] {
  return request.lines(name).flatMap((line) => {
    const at = line.indexOf(prefix);
    if (at < 0) return [];
    return [{ token: prefix === '' ? line : tokenAfter(line, at + prefix.length), remove: () => request.remove(name) }];
  });
}

/** From the first character after `from` that a token can hold to the end; the whole line where there is none. */
function tokenAfter(line: string, from: number): string {
  const offset = line.slice(from).search(/[A-Za-z0-9_.-]/);
  return offset < 0 ? line : line.slice(from + offset);
}

interface Parameter {
  readonly name: string;
  readonly value: string;
}

function splitQuery(path: string): { readonly head: string; readonly parameters: readonly Parameter[] } {
  const start = path.indexOf('?');
  if (start < 0) return { head: path, parameters: [] };
  const query = path.slice(start + 1).replace(/#.*$/s, '');
  const parameters = query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
      return { name: percentDecode(name), value: percentDecode(value) };
    });
  return { head: path.slice(0, start), parameters };
}

/** Byte by byte; a `%` that starts no escape stays. */
function percentDecode(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 0x25 ? String.fromCharCode(...bytes.slice(i + 1, i + 3)) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      out.push(Number.parseInt(hex, 16));
      i += 2;
    } else {
      out.push(bytes[i] ?? 0);
    }
  }
  return new TextDecoder().decode(Uint8Array.from(out));
}

/** What a request line cannot carry is escaped again. */
function encodeUnprintable(text: string): string {
  return text.replaceAll(/[^\u0021-\u007e]/gu, (char) => encodeURIComponent(char));
}

function parseCookies(lines: readonly string[]): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of lines.flatMap((line) => line.split(';'))) {
    const equals = pair.indexOf('=');
    if (equals < 0) continue;
    const name = pair.slice(0, equals).trim();
    if (!cookies.has(name))
      cookies.set(
        name,
        pair
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/s, '$1'),
      );
  }
  return cookies;
}
