/**
 * Path normalisation: what a server's sidecar makes of `:path` before any rule looks at it, and what it forwards.
 *
 * Models `meshConfig.pathNormalization.normalization` in its four modes. Not modelled: the gateway-only options
 * (redirects on escaped slashes, rejection of underscores in header names).
 * Source: https://istio.io/latest/docs/reference/config/security/normalization/
 * @module
 */
import type { PathNormalization } from '../istio/mesh-settings.ts';

/** How each ASCII character fares in the path: kept as it is (0), or one of these; everything above is escaped as UTF-8. */
const ESCAPE = 1;
const UNRESERVED = 2;
const CHARACTERS: Uint8Array = characterTable();

function characterTable(): Uint8Array {
  const table = new Uint8Array(128);
  table.fill(ESCAPE, 0, 0x21);
  for (const char of '"#<>?^`{|}\x7f') table[char.charCodeAt(0)] = ESCAPE;
  for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
    table[char.charCodeAt(0)] = UNRESERVED;
  }
  return table;
}

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;
const HASH = 0x23;

/**
 * The path without query and fragment, as rules see it; nothing where Envoy answers 400 `path_normalization_failed`.
 * A path that is already normal and has no query is returned as it is, without a copy.
 */
export function normalizePath(raw: string, mode: PathNormalization): string | undefined {
  const merge = mode === 'MERGE_SLASHES' || mode === 'DECODE_AND_MERGE_SLASHES';
  const end = plainUntil(raw, merge);
  if (end === raw.length && end > 0) return raw;
  const code = raw.charCodeAt(end);
  if (end > 0 && (code === QUESTION || code === HASH)) return raw.slice(0, end);
  const path = withoutQuery(raw);
  if (mode === 'NONE') return path;
  const decoded = mode === 'DECODE_AND_MERGE_SLASHES' ? decodeSlashes(path) : path;
  const canonical = canonicalize(decoded);
  if (canonical === undefined) return undefined;
  return merge ? canonical.replace(/\/{2,}/g, '/') : canonical;
}

/** The query with its question mark, without the fragment; empty where there is none. */
export function queryOf(raw: string): string {
  const hash = raw.indexOf('#');
  const whole = hash < 0 ? raw : raw.slice(0, hash);
  const question = whole.indexOf('?');
  return question < 0 ? '' : whole.slice(question);
}

function withoutQuery(raw: string): string {
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code === QUESTION || code === HASH) return raw.slice(0, i);
  }
  return raw;
}

/**
 * How far a path is normal in every mode: its length where it is, the index of the first odd character, or 0 where the
 * oddity is a dot or a slash after a slash.
 */
function plainUntil(raw: string, merge: boolean): number {
  if (raw.charCodeAt(0) !== SLASH) return 0;
  let previous = 0;
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code > 0x7e || code === PERCENT || code === BACKSLASH || CHARACTERS[code] === ESCAPE) return i;
    if (previous === SLASH && (code === DOT || (merge && code === SLASH))) {
      return 0;
    }
    previous = code;
  }
  return raw.length;
}

function decodeSlashes(path: string): string {
  return path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
}

/** How many characters a dot at `at` takes, `.` or `%2e`; 0 where there is none. */
function dotAt(path: string, at: number): number {
  const code = path.charCodeAt(at);
  if (code === DOT) return 1;
  if (code !== PERCENT || path.charCodeAt(at + 1) !== 0x32) return 0;
  return (path.charCodeAt(at + 2) | 0x20) === 0x65 ? 3 : 0;
}

function isBoundary(path: string, at: number): boolean {
  const code = path.charCodeAt(at);
  return at >= path.length || code === SLASH || code === BACKSLASH;
}

/**
 * Resolves dot segments, turns `\` into `/`, decodes escaped unreserved characters and escapes what may not stand in
 * a path. Every slash counts as a segment border, so `..` after `//` removes the empty segment only.
 */
function canonicalize(path: string): string | undefined {
  let out = path.charCodeAt(0) === SLASH || path.charCodeAt(0) === BACKSLASH ? '' : '/';
  let i = 0;
  while (i < path.length) {
    const code = path.codePointAt(i) ?? 0;
    const dot = dotAt(path, i);
    if (dot > 0 && out.endsWith('/')) {
      if (isBoundary(path, i + dot)) {
        i += dot + 1;
        continue;
      }
      const second = dotAt(path, i + dot);
      if (second > 0 && isBoundary(path, i + dot + second)) {
        out = parentOf(out);
        i += dot + second + 1;
        continue;
      }
    }
    if (dot > 0) {
      out += '.';
      i += dot;
    } else if (code === BACKSLASH) {
      out += '/';
      i += 1;
    } else if (code === PERCENT) {
      const escaped = unescapeAt(path, i);
      if (escaped === undefined) return undefined;
      out += escaped.text;
      i += escaped.length;
    } else if (code === 0) {
      return undefined;
    } else {
      out += code > 0x7f || CHARACTERS[code] === ESCAPE ? escapeUtf8(code) : String.fromCharCode(code);
      i += code > 0xffff ? 2 : 1;
    }
  }
  return out;
}

/** What `%XX` at `at` becomes: an unreserved character is decoded, the rest stays as written. Nothing for `%00`. */
function unescapeAt(path: string, at: number): { readonly text: string; readonly length: number } | undefined {
  const hex = path.slice(at + 1, at + 3);
  if (!/^[0-9a-fA-F]{2}$/.test(hex)) return { text: '%', length: 1 };
  const value = Number.parseInt(hex, 16);
  if (value === 0) return undefined;
  const decodes = CHARACTERS[value] === UNRESERVED;
  return { text: decodes ? String.fromCharCode(value) : `%${hex}`, length: 3 };
}

/** `/a/b/` → `/a/`; the root stays. */
function parentOf(directory: string): string {
  if (directory.length <= 1) return '/';
  return directory.slice(0, directory.lastIndexOf('/', directory.length - 2) + 1);
}

function escapeUtf8(code: number): string {
  let out = '';
  for (const byte of new TextEncoder().encode(String.fromCodePoint(code))) {
    out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
