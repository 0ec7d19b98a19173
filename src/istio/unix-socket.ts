/**
 * Unix sockets as addresses: `unix:///path/of/socket`, or `unix://@name` for one in the abstract namespace.
 * @module
 */
import { quote } from './config-error.ts';

export const UNIX_SCHEME = 'unix://';

/** Why `text` is no address of a Unix socket, or nothing. */
export function unixSocketFault(text: string): string | undefined {
  const path = text.startsWith(UNIX_SCHEME) ? text.slice(UNIX_SCHEME.length) : '';
  return /^(?:@.*|\/.*[^/])$/s.test(path)
    ? undefined
    : `expected \`unix:///path\` or \`unix://@name\`, found ${quote(text)}`;
}
