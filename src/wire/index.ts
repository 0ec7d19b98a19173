/**
 * Real sockets: mutual TLS over loopback, protocol sniffing, HTTP and TCP through sidecars, and the seam for faults.
 *
 * The only room that touches `node:tls`, `node:net` and `node:http`. It decides nothing: which chain takes a
 * connection, whether a peer's certificates are good and what a request is answered are functions it is handed.
 * @module
 */
export * from './address-book.ts';
export * from './application-tls.ts';
export * from './capture.ts';
export * from './faults.ts';
export { withHeader } from './header-lines.ts';
export * from './inbound.ts';
export * from './inbound-listener.ts';
export * from './outbound.ts';
export * from './outbound-listener.ts';
export * from './outbound-pool.ts';
export * from './peer.ts';
export * from './port-forward.ts';
export * from './seam.ts';
export { openTunnel } from './tunnel.ts';
export { connectTo, join } from './upgrade.ts';
export * from './wire-rule.ts';
