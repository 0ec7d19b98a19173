/**
 * Functions on text, conversions and URIs of Workflow Definition Language.
 *
 * Not modelled: binary values (`binary`, `base64ToBinary` and the like), XML and culture-dependent number formats.
 * @module
 */
import { isList, isObject, type Json, parseJson, VALUE_SIZE_MAX } from '../json.ts';
import {
  argument,
  argumentError,
  define,
  integerArgument,
  optionalText,
  textArgument,
  textOf,
  type WdlSignature,
  wrong,
} from './scope.ts';

const MANY = 1000;

export const TEXT_FUNCTIONS: readonly WdlSignature[] = [
  define('concat', [1, MANY], (args) => {
    if (args.every(isList)) return args.flatMap((list) => (isList(list) ? list : []));
    const parts = args.map(textOf);
    return sized(
      parts.reduce((length, part) => length + part.length, 0),
      () => parts.join(''),
    );
  }),
  define('toLower', [1, 1], (args) => textArgument(args, 0).toLowerCase()),
  define('toUpper', [1, 1], (args) => textArgument(args, 0).toUpperCase()),
  define('trim', [1, 1], (args) => textArgument(args, 0).trim()),
  define('replace', [3, 3], (args) => replace(textArgument(args, 0), textArgument(args, 1), textArgument(args, 2))),
  define('substring', [2, 3], (args) => substring(args)),
  define('slice', [2, 3], (args) =>
    textArgument(args, 0).slice(integerArgument(args, 1), args.length > 2 ? integerArgument(args, 2) : undefined),
  ),
  define('split', [1, 2], (args) => {
    const separator = optionalText(args, 1);
    if (separator === '') throw argumentError('argument 2 must not be empty');
    return separator === undefined ? [textArgument(args, 0)] : textArgument(args, 0).split(separator);
  }),
  define('startsWith', [2, 2], (args) =>
    textArgument(args, 0).toLowerCase().startsWith(textArgument(args, 1).toLowerCase()),
  ),
  define('endsWith', [2, 2], (args) =>
    textArgument(args, 0).toLowerCase().endsWith(textArgument(args, 1).toLowerCase()),
  ),
  define('indexOf', [2, 2], (args) => textArgument(args, 0).toLowerCase().indexOf(textArgument(args, 1).toLowerCase())),
  define('lastIndexOf', [2, 2], (args) =>
    textArgument(args, 0).toLowerCase().lastIndexOf(textArgument(args, 1).toLowerCase()),
  ),
  define('guid', [0, 1], (args, { rng }) => formatGuid(rng.bytes(16), optionalText(args, 0) ?? 'D')),
  define('string', [1, 1], (args) => textOf(argument(args, 0))),
  define('json', [1, 1], (args) => {
    const value = argument(args, 0);
    return typeof value === 'string' ? parseJson(value) : value;
  }),
  define('int', [1, 1], (args) => {
    const value = argument(args, 0);
    if (typeof value === 'number' && Number.isInteger(value)) return value;
    if (typeof value === 'string' && isInt(value)) return Number(value);
    throw argumentError(`\`${textOf(value).slice(0, 40)}\` is not an integer`);
  }),
  define('float', [1, 1], (args) => {
    const value = argument(args, 0);
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && isFloat(value)) return Number(value);
    throw argumentError(`\`${textOf(value).slice(0, 40)}\` is not a number`);
  }),
  define('bool', [1, 1], (args) => bool(argument(args, 0))),
  define('isInt', [1, 1], (args) => isInt(textArgument(args, 0))),
  define('isFloat', [1, 1], (args) => isFloat(textArgument(args, 0))),
  define('base64', [1, 1], (args) => toBase64(textArgument(args, 0))),
  define('base64ToString', [1, 1], (args) => fromBase64(textArgument(args, 0))),
  define('decodeBase64', [1, 1], (args) => fromBase64(textArgument(args, 0))),
  define('encodeUriComponent', [1, 1], (args) => encodeUri(textArgument(args, 0))),
  define('uriComponent', [1, 1], (args) => encodeUri(textArgument(args, 0))),
  define('decodeUriComponent', [1, 1], (args) => decodeUri(textArgument(args, 0))),
  define('uriComponentToString', [1, 1], (args) => decodeUri(textArgument(args, 0))),
  define('uriHost', [1, 1], (args) => uri(args).hostname),
  define('uriPath', [1, 1], (args) => uri(args).pathname),
  define('uriPathAndQuery', [1, 1], (args) => uri(args).pathname + uri(args).search),
  define('uriQuery', [1, 1], (args) => uri(args).search),
  define('uriScheme', [1, 1], (args) => uri(args).protocol.slice(0, -1)),
  define('uriPort', [1, 1], (args) => {
    const { port, protocol } = uri(args);
    if (port !== '') return Number(port);
    return protocol === 'https:' ? 443 : 80;
  }),
];

/** Base64 of the UTF-8 form. */
export function toBase64(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** A random (version 4) UUID from 16 random bytes, in lower case with hyphens. */
export function uuidOf(random: Uint8Array): string {
  const bytes = Array.from(random.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function formatGuid(bytes: Uint8Array, format: string): string {
  const guid = uuidOf(bytes);
  switch (format.toUpperCase()) {
    case 'D':
      return guid;
    case 'N':
      return guid.replaceAll('-', '');
    case 'B':
      return `{${guid}}`;
    case 'P':
      return `(${guid})`;
    default:
      throw argumentError(`\`${format}\` is not a GUID format: one of N, D, B, P`);
  }
}

function replace(text: string, old: string, next: string): string {
  if (old === '') throw argumentError('argument 2 must not be empty');
  const parts = text.split(old);
  return sized(text.length + (parts.length - 1) * next.length, () => parts.join(next));
}

function substring(args: readonly Json[]): string {
  const text = textArgument(args, 0);
  const start = integerArgument(args, 1);
  const length = args.length > 2 ? integerArgument(args, 2) : text.length - start;
  if (start < 0 || length < 0 || start + length > text.length) {
    throw argumentError(`characters ${start} to ${start + length} are not all within a text of ${text.length}`);
  }
  return text.slice(start, start + length);
}

function sized(length: number, make: () => string): string {
  if (length > VALUE_SIZE_MAX) throw argumentError(`a text grew beyond ${VALUE_SIZE_MAX} characters`);
  return make();
}

function isInt(text: string): boolean {
  return /^[+-]?\d{1,15}$/.test(text.trim());
}

function isFloat(text: string): boolean {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text.trim()) && Number.isFinite(Number(text));
}

function bool(value: Json): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  const word = typeof value === 'string' ? value.toLowerCase() : undefined;
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw wrong(0, 'a boolean, a number, `true` or `false`', isObject(value) || isList(value) ? value : 'text');
}

function fromBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    throw argumentError('argument 1 is not base64');
  }
}

/**
 * Percent-encodes all but letters, digits and `-_.~`.
 * @throws MeshError `ERR_EXPRESSION` for text that is not well-formed
 */
export function encodeUri(text: string): string {
  try {
    return encodeURIComponent(text).replace(
      /[!'()*]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
  } catch {
    throw argumentError('text with half a surrogate pair cannot be encoded');
  }
}

function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw argumentError('argument 1 is not URI-encoded');
  }
}

function uri(args: readonly Json[]): URL {
  const text = textArgument(args, 0);
  if (!URL.canParse(text)) throw argumentError('argument 1 is not an absolute URI');
  return new URL(text);
}
