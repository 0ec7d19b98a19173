/**
 * A JSON Web Token as text: its three parts, read in the order and refused in the words of Envoy's JWT filter. No
 * signature is looked at here.
 *
 * Not modelled: Envoy refuses JSON that names one member twice, and reads some that is not quite JSON.
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
  payload_iat_range: 'Jwt payload [iat] field is not a positive 64 bit integer',
  payload_nbf: 'Jwt payload [nbf] field is not an integer',
  payload_nbf_range: 'Jwt payload [nbf] field is not a positive 64 bit integer',
  payload_exp: 'Jwt payload [exp] field is not an integer',
  payload_exp_range: 'Jwt payload [exp] field is not a positive 64 bit integer',
  payload_jti: 'Jwt payload [jti] field is not a string',
  payload_aud: 'Jwt payload [aud] field is not a string or string list',
  signature_base64: 'Jwt signature is an invalid Base64url encoded',
  signature_length: 'Jwt ED25519 signature is wrong length',
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
  /** In bytes. */
  readonly signatureLength: number;
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

/** Reads a token, or says what is wrong with it first. Dots too many do not count, as in Envoy: `a.b.c.` is `a.b.c`. */
export function parseJwt(token: string): ParsedJwt | JwtFault {
  const parts = token.split('.').filter((part) => part !== '');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) return 'format';
  const head = decodeJson(header);
  if (typeof head === 'string') return `header_${head}`;
  const alg = own(head, 'alg');
  if (typeof alg !== 'string') return 'header_alg';
  if (!ALGORITHMS.has(alg)) return 'header_alg_unsupported';
  const kid = Object.hasOwn(head, 'kid') ? own(head, 'kid') : '';
  if (typeof kid !== 'string') return 'header_kid';
  const claims = decodeJson(payload);
  if (typeof claims === 'string') return `payload_${claims}`;
  const read = readClaims(claims);
  if (typeof read === 'string') return read;
  const signatureBytes = decodeBase64Url(signature);
  if (signatureBytes === undefined) return 'signature_base64';
  return { header, payload, signature, signatureLength: signatureBytes.length, alg, kid, claims, ...read };
}

type Claims = Pick<ParsedJwt, 'issuer' | 'audiences' | 'notBefore' | 'expires'>;

function readClaims(claims: JsonObject): Claims | JwtFault {
  const isText = (name: string): boolean => own(claims, name) === undefined || typeof own(claims, name) === 'string';
  if (!isText('iss')) return 'payload_iss';
  if (!isText('sub')) return 'payload_sub';
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    const fault = timeFault(own(claims, name));
    if (fault === 'type') return `payload_${name}`;
    if (fault === 'range') return `payload_${name}_range`;
  }
  if (!isText('jti')) return 'payload_jti';
  const issuer = own(claims, 'iss');
  const audience = own(claims, 'aud');
  const audiences = audience === undefined ? [] : textList(audience);
  if (audiences === undefined) return 'payload_aud';
  return {
    issuer: typeof issuer === 'string' ? issuer : '',
    audiences,
    notBefore: seconds(claims, 'nbf'),
    expires: seconds(claims, 'exp'),
  };
}

function timeFault(value: Json | undefined): 'type' | 'range' | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') return 'type';
  return value < 0 || value >= 2 ** 64 ? 'range' : undefined;
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

/** As deep as Envoy reads JSON, the outermost object included. */
const JSON_DEPTH_MAX = 100;

/** UTF-8 JSON text that is an object, and not too deep a one; nothing for anything else. */
function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
    return isJsonObject(value) && !isDeeper(value, JSON_DEPTH_MAX) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each: Json) => isDeeper(each, levels - 1));
}

/** Base64url with or without padding; white space is skipped, as Envoy's decoder does. */
function decodeBase64Url(part: string): Uint8Array | undefined {
  const text = part.replaceAll(/[\t\n\v\f\r ]/g, '');
  const body = text.replace(/={1,2}$/, '');
  if (!/^[A-Za-z0-9_-]*$/.test(body) || body.length % 4 === 1) return undefined;
  if (body !== text && text.length % 4 !== 0) return undefined;
  return Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}
