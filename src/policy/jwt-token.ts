/**
 * A JSON Web Token as text: its three parts, read in the order and refused in the words of Envoy's JWT filter. No
 * signature is looked at here.
 *
 * Source: RFC 7519; messages of Envoy's `jwt_verify_lib`.
 * @module
 */
import type { Json } from './request.ts';

/** What a token can be refused for, with the text the caller is sent. */
export const JWT_FAULTS = {
  missing: 'Jwt is missing',
  format: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  header_base64: 'Jwt header is an invalid Base64url encoded',
  header_json: 'Jwt header is an invalid JSON',
  header_alg: 'Jwt header [alg] field is required and must be a string',
  header_alg_unsupported: 'Jwt header [alg] is not supported',
  header_kid: 'Jwt header [kid] field is not a string',
  payload_base64: 'Jwt payload is an invalid Base64url encoded',
  payload_json: 'Jwt payload is an invalid JSON',
  payload_iss: 'Jwt payload [iss] field is not a string',
  payload_sub: 'Jwt payload [sub] field is not a string',
  payload_iat: 'Jwt payload [iat] field is not an integer',
  payload_nbf: 'Jwt payload [nbf] field is not an integer',
  payload_exp: 'Jwt payload [exp] field is not an integer',
  payload_jti: 'Jwt payload [jti] field is not a string',
  payload_aud: 'Jwt payload [aud] field is not a string or string list',
  signature_base64: 'Jwt signature is an invalid Base64url encoded',
  issuer: 'Jwt issuer is not configured',
  not_yet_valid: 'Jwt not yet valid',
  expired: 'Jwt is expired',
  audience: 'Audiences in Jwt are not allowed',
  no_keys: "Jwks doesn't have any valid public key",
  no_matching_key: "Jwks doesn't have key to match kid or alg from Jwt",
  signature: 'Jwt verification fails',
} as const;

export type JwtFault = keyof typeof JWT_FAULTS;

/** A JSON object. */
export type JsonObject = Readonly<Record<string, Json>>;

export interface ParsedJwt {
  /** The parts as they were written. */
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
  readonly alg: string;
  readonly kid: string;
  readonly claims: JsonObject;
  /** Empty where the token names none. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Seconds since the Unix epoch; 0 where absent. */
  readonly notBefore: number;
  readonly expires: number;
}

const ALGORITHMS: ReadonlySet<string> = new Set(
  ['ES', 'HS', 'RS', 'PS'].flatMap((family) => ['256', '384', '512'].map((bits) => family + bits)).concat('EdDSA'),
);

/** Reads a token, or says what is wrong with it first. */
export function parseJwt(token: string): ParsedJwt | JwtFault {
  const parts = token.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3 || parts.includes('')) return 'format';
  const head = decodeJson(header);
  if (typeof head === 'string') return `header_${head}`;
  const alg = own(head, 'alg');
  if (typeof alg !== 'string') return 'header_alg';
  if (!ALGORITHMS.has(alg)) return 'header_alg_unsupported';
  const kid = own(head, 'kid') ?? '';
  if (typeof kid !== 'string') return 'header_kid';
  const claims = decodeJson(payload);
  if (typeof claims === 'string') return `payload_${claims}`;
  const read = readClaims(claims);
  if (typeof read === 'string') return read;
  if (decodeBase64Url(signature) === undefined) return 'signature_base64';
  return { header, payload, signature, alg, kid, claims, ...read };
}

type Claims = Pick<ParsedJwt, 'issuer' | 'audiences' | 'notBefore' | 'expires'>;

function readClaims(claims: JsonObject): Claims | JwtFault {
  const text = (name: string): boolean => own(claims, name) === undefined || typeof own(claims, name) === 'string';
  const number = (name: string): boolean => own(claims, name) === undefined || typeof own(claims, name) === 'number';
  if (!text('iss')) return 'payload_iss';
  if (!text('sub')) return 'payload_sub';
  if (!number('iat')) return 'payload_iat';
  if (!number('nbf')) return 'payload_nbf';
  if (!number('exp')) return 'payload_exp';
  if (!text('jti')) return 'payload_jti';
  const issuer = own(claims, 'iss');
  const audiences = textList(own(claims, 'aud') ?? []);
  if (audiences === undefined) return 'payload_aud';
  return {
    issuer: typeof issuer === 'string' ? issuer : '',
    audiences,
    notBefore: seconds(claims, 'nbf'),
    expires: seconds(claims, 'exp'),
  };
}

function seconds(claims: JsonObject, name: string): number {
  return Math.trunc(Number(own(claims, name) ?? 0));
}

/** A string, or a list of strings; nothing for anything else. */
export function textList(value: Json): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return undefined;
  const items: readonly Json[] = value;
  return items.every((item) => typeof item === 'string') ? items : undefined;
}

/** A member of a JSON object, never one it inherits. */
export function own(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The JSON object in a base64url part, or which layer is broken. */
function decodeJson(part: string): JsonObject | 'base64' | 'json' {
  const bytes = decodeBase64Url(part);
  if (bytes === undefined) return 'base64';
  const value = parseJsonObject(bytes);
  return value ?? 'json';
}

/** UTF-8 JSON text that is an object; nothing for anything else. */
function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Base64url with or without padding; white space is skipped, as Envoy's decoder does. */
function decodeBase64Url(part: string): Uint8Array | undefined {
  const text = part.replaceAll(/[\t\n\v\f\r ]/g, '');
  const body = text.replace(/={1,2}$/, '');
  if (!/^[A-Za-z0-9_-]*$/.test(body) || body.length % 4 === 1) return undefined;
  if (body !== text && text.length % 4 !== 0) return undefined;
  return Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}
