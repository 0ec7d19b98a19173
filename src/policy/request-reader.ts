/**
 * Unknown JSON to an `AuthorizationRequest`: the shape of a line of `authz --requests`, without its `id`. Unknown fields
 * are errors, since a misspelt attribute would silently count as absent.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { assertNever } from '../core/invariant.ts';
import { didYouMean } from '../core/suggest.ts';
import { IpAddress } from './ip-address.ts';
import type { AuthorizationRequest } from './request.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Type, and for texts that are addresses a check of their own. */
type FieldType = 'text' | 'ip' | 'port' | 'labels' | 'headers' | 'texts' | 'object' | Shape;

interface Shape {
  readonly required: readonly string[];
  readonly fields: Readonly<Record<string, FieldType>>;
}

const REQUEST: Shape = {
  required: ['destination'],
  fields: {
    destination: {
      required: ['namespace', 'port'],
      fields: { namespace: 'text', workload: 'text', labels: 'labels', port: 'port', ip: 'ip' },
    },
    source: { required: [], fields: { principal: 'text', ip: 'ip', remoteIp: 'ip' } },
    connection: { required: [], fields: { sni: 'text' } },
    request: {
      required: ['method', 'path'],
      fields: {
        method: 'text',
        host: 'text',
        path: 'text',
        headers: 'headers',
        auth: {
          required: [],
          fields: { principal: 'text', audiences: 'texts', presenter: 'text', claims: 'object' },
        },
      },
    },
  },
};

/** The same, beside the `id` of a line. */
const LINE: Shape = { ...REQUEST, fields: { ...REQUEST.fields, id: 'object' } };
const PORT_MAX = 65_535;
const scratch = new IpAddress();

/** @throws MeshError `ERR_REQUEST_INVALID` that names the field */
export function readAuthorizationRequest(value: unknown): AuthorizationRequest {
  check(value, REQUEST, '');
  return value as AuthorizationRequest;
}

/** The same for a value that also carries an `id`, which may be anything. */
export function readAuthorizationLine(value: JsonObject): AuthorizationRequest {
  check(value, LINE, '');
  return value as unknown as AuthorizationRequest;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, message: string): MeshError {
  return new MeshError('ERR_REQUEST_INVALID', path === '' ? `the request ${message}` : `\`${path}\` ${message}`);
}

function check(value: unknown, shape: Shape, path: string): void {
  if (!isObject(value)) throw invalid(path, 'is not an object');
  for (const field of shape.required) {
    if (value[field] === undefined) throw invalid(below(path, field), 'is missing');
  }
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    const type = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined;
    if (type === undefined) {
      const hint = didYouMean(key, Object.keys(shape.fields));
      throw invalid(below(path, key), `is not a field of a request${hint}`);
    }
    if (key === 'id' && path === '') continue;
    if (typeof type === 'object') check(value[key], type, below(path, key));
    else if (!hasType(value[key], type)) throw invalid(below(path, key), EXPECTED[type]);
  }
}

function below(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

const EXPECTED: Readonly<Record<Exclude<FieldType, Shape>, string>> = {
  text: 'is not a text',
  ip: 'is not an IP address',
  port: 'is not a port between 1 and 65535',
  labels: 'is not an object of texts',
  headers: 'is not an object of texts or lists of texts',
  texts: 'is neither a text nor a list of texts',
  object: 'is not an object',
};

function hasType(value: unknown, type: Exclude<FieldType, Shape>): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string';
    case 'ip':
      return typeof value === 'string' && scratch.read(value);
    case 'port':
      return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= PORT_MAX;
    case 'labels':
      return isObject(value) && Object.values(value).every((each) => typeof each === 'string');
    case 'headers':
      return isObject(value) && Object.values(value).every(isTextOrTexts);
    case 'texts':
      return isTextOrTexts(value);
    case 'object':
      return isObject(value);
    default:
      return assertNever(type);
  }
}

function isTextOrTexts(value: unknown): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((each) => typeof each === 'string'));
}
