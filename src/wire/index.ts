/**
 * Real sockets: mutual TLS over loopback, protocol sniffing, HTTP and TCP through sidecars, and the seam for faults.
 *
 * The classes to come, all AsyncDisposable:
 *   class Seam { constructor(addresses: AddressBook); install(rule: WireRule): Disposable; close(): Promise<void> }
 *   class InboundListener { static listen(options: InboundOptions): Promise<InboundListener>; readonly address: Address;
 *     readonly connections: number; closeConnections(): void; close(): Promise<void> }
 *   class OutboundPool { constructor(options: { seam: Seam; addresses: AddressBook });
 *     request(route: OutboundRoute, call: HttpCall): Promise<HttpAnswer>;
 *     open(route: OutboundRoute, count: number): Promise<OpenAnswer>; connections(key?: string): number;
 *     drain(key?: string): Promise<void>; connectTcp(route: OutboundRoute): Promise<TcpAnswer>; close(): Promise<void> }
 * @module
 */
export * from './address-book.ts';
export * from './inbound.ts';
export * from './outbound.ts';
export * from './peer.ts';
export * from './seam.ts';
