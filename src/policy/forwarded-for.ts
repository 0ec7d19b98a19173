/**
 * The original client by X-Forwarded-For, as a sidecar takes it from there: the right-most entry, whoever wrote it
 * (`use_remote_address: false`, no trusted hops). Where that entry is no IP address the direct peer stands in.
 *
 * Not modelled: gateways, which append the peer's address first and skip `numTrustedProxies` entries.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-for
 * @module
 */
import { IpAddress } from './ip-address.ts';

export const FORWARDED_FOR = 'x-forwarded-for';

const scratch = new IpAddress();

/** @param lines the header's lines in order, which Envoy joins with commas */
export function forwardedAddress(lines: readonly string[]): string | undefined {
  const last = lines.at(-1);
  if (last === undefined) return undefined;
  const entry = last.slice(last.lastIndexOf(',') + 1).trim();
  return scratch.read(entry) ? entry : undefined;
}
