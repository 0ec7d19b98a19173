/**
 * One request as the matchers read it: normalised path, lower-cased host, parsed addresses, the token's payload. The
 * object is loaded again for every decision, so that deciding allocates nothing.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { FORWARDED_FOR, forwardedAddress } from './forwarded-for.ts';
import { IpAddress } from './ip-address.ts';
import { normalizePath, queryOf } from './path-normalization.ts';
import type { AuthorizationRequest, HttpAttributes, Json, RequestAuthAttributes } from './request.ts';
import { asciiLower } from './text-matcher.ts';

/** What a program decides over: a request whose destination is already resolved. */
export type RequestAttributes = Pick<AuthorizationRequest, 'source' | 'connection' | 'request'> & {
  readonly destination?: { readonly ip?: string; readonly port?: number };
};

const SPIFFE = 'spiffe://';
/** Claims that Envoy splits at spaces into a list before rules see them. */
const SPACE_DELIMITED: ReadonlySet<string> = new Set(['scope', 'permission']);

export type AddressRole = 'source.ip' | 'remote.ip' | 'destination.ip';

export class RequestView {
  attributes: RequestAttributes = {};
  http: HttpAttributes | undefined;
  /** Without `spiffe://`; absent on plaintext. */
  principal: string | undefined;
  /** Normalised, without query. Empty on a raw connection. */
  path = '';
  readonly #addresses: Readonly<Record<AddressRole, IpAddress>> = {
    'source.ip': new IpAddress(),
    'remote.ip': new IpAddress(),
    'destination.ip': new IpAddress(),
  };
  #addressesRead = false;
  #host: string | undefined;

  /** False where the path cannot be normalised: Envoy answers 400 before any rule. */
  load(attributes: RequestAttributes, mode: PathNormalization): boolean {
    this.attributes = attributes;
    this.http = attributes.request;
    this.#addressesRead = false;
    this.#host = undefined;
    const principal = attributes.source?.principal;
    if (principal === undefined || principal === '') this.principal = undefined;
    else this.principal = principal.startsWith(SPIFFE) ? principal.slice(SPIFFE.length) : principal;
    if (this.http === undefined) {
      this.path = '';
      return true;
    }
    const path = normalizePath(this.http.path, mode);
    this.path = path ?? '';
    return path !== undefined;
  }

  /** Whether normalisation changed more than cutting off the query. */
  get pathChanged(): boolean {
    const raw = this.http?.path;
    if (raw === undefined || raw === this.path) return false;
    const next = raw.charCodeAt(this.path.length);
    return !(raw.startsWith(this.path) && (next === 0x3f || next === 0x23));
  }

  get method(): string | undefined {
    return this.http?.method;
  }

  /** Lower-cased. */
  get host(): string | undefined {
    if (this.#host === undefined && this.http?.host !== undefined) this.#host = asciiLower(this.http.host);
    return this.#host;
  }

  /** Lower-cased, as Envoy's TLS inspector reports it. */
  get sni(): string | undefined {
    const sni = this.attributes.connection?.sni;
    return sni === undefined || sni === '' ? undefined : asciiLower(sni);
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` for an address that is none */
  address(role: AddressRole): IpAddress {
    if (!this.#addressesRead) this.#readAddresses();
    return this.#addresses[role];
  }

  addressText(role: AddressRole): string | undefined {
    const { source, destination } = this.attributes;
    if (role === 'destination.ip') return destination?.ip;
    return role === 'source.ip' ? source?.ip : (source?.remoteIp ?? this.#forwarded() ?? source?.ip);
  }

  #forwarded(): string | undefined {
    if (this.http?.headers === undefined) return undefined;
    const lines: string[] = [];
    this.someHeader(FORWARDED_FOR, (line) => {
      lines.push(line);
      return false;
    });
    return forwardedAddress(lines);
  }

  #readAddresses(): void {
    for (const role of ['source.ip', 'remote.ip', 'destination.ip'] as const) {
      const text = this.addressText(role);
      const address = this.#addresses[role];
      address.family = 0;
      if (text !== undefined && !address.read(text)) {
        throw new MeshError('ERR_REQUEST_INVALID', `\`${text}\` is not an IP address (${role})`);
      }
    }
    this.#addressesRead = true;
  }

  /** Whether `test` holds for any line of a header; `name` is in lower case. */
  someHeader(name: string, test: (value: string) => boolean): boolean {
    const { http } = this;
    if (http === undefined) return false;
    const pseudo = this.#pseudoHeader(name);
    if (pseudo !== undefined) return test(pseudo);
    const { headers } = http;
    if (headers === undefined) return false;
    for (const key in headers) {
      if (key.length !== name.length || (key !== name && asciiLower(key) !== name)) continue;
      const value = Object.hasOwn(headers, key) ? headers[key] : undefined;
      if (value === undefined) continue;
      if (typeof value === 'string') {
        if (test(value)) return true;
      } else if (value.some((line) => test(line))) return true;
    }
    return false;
  }

  /** `host` is the old spelling of `:authority`, in Envoy too. */
  #pseudoHeader(name: string): string | undefined {
    if (name === ':authority' || name === 'host') return this.http?.host;
    if (name === ':method') return this.http?.method;
    if (name === ':path' && this.http !== undefined) return this.path + queryOf(this.http.path);
    return undefined;
  }

  /** The value at a path of the token's payload; absent where a step is missing or is no object. */
  claim(path: readonly string[]): Json | undefined {
    const auth = this.http?.auth;
    const [first] = path;
    if (auth === undefined || first === undefined) return undefined;
    let value = payloadEntry(auth, first);
    for (let i = 1; i < path.length; i++) {
      const key = path[i];
      if (key === undefined || !isJsonObject(value) || !Object.hasOwn(value, key)) return undefined;
      value = value[key];
    }
    return path.length === 1 && typeof value === 'string' && SPACE_DELIMITED.has(first)
      ? value.split(' ').filter((word) => word !== '')
      : value;
  }
}

function isJsonObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A top-level entry of the payload: what the claims hold, else what the dedicated attributes tell of it. `principal` is
 * split at its last slash, since an issuer may be a URL.
 */
function payloadEntry(auth: RequestAuthAttributes, name: string): Json | undefined {
  const { claims } = auth;
  if (claims !== undefined && Object.hasOwn(claims, name)) return claims[name];
  if (name === 'aud') return auth.audiences;
  if (name === 'azp') return auth.presenter;
  const { principal } = auth;
  if (principal === undefined || (name !== 'iss' && name !== 'sub')) return undefined;
  const slash = principal.lastIndexOf('/');
  if (name === 'iss') return slash < 0 ? principal : principal.slice(0, slash);
  return slash < 0 ? undefined : principal.slice(slash + 1);
}
