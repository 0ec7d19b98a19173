import { describe, expect, it } from 'vitest';
import { AddressBook, type SocketEnds } from '../../../src/wire/index.ts';

const HERE = { local: { host: '127.0.0.1', port: 40_000 }, remotePort: 8080 };

function from(host: string, port: number, remotePort = 8080): SocketEnds {
  return { local: { host, port }, remotePort };
}

describe('the address book', () => {
  it('knows a socket from its entry to its end, however the address is written', () => {
    const book = new AddressBook();
    const peer = { workload: 'default/frontend', ip: '10.0.0.5' };
    const entry = book.register(HERE, peer);
    expect(book.lookup(from('127.0.0.1', 40_000))).toBe(peer);
    expect(book.lookup(from('::ffff:127.0.0.1', 40_000))).toBe(peer);
    expect(book.lookup(from('127.0.0.2', 40_000))).toBeUndefined();
    expect(book.lookup(from('127.0.0.1', 40_001))).toBeUndefined();
    entry[Symbol.dispose]();
    expect(book.lookup(from('127.0.0.1', 40_000))).toBeUndefined();
    expect(book.size).toBe(0);
  });

  it('keeps the entry of a new socket when the old one of the same port is disposed late', () => {
    const book = new AddressBook();
    const old = book.register(HERE, { workload: 'default/a' });
    book.register(HERE, { workload: 'default/b' });
    old[Symbol.dispose]();
    expect(book.lookup(from('127.0.0.1', 40_000))).toEqual({ workload: 'default/b' });
  });

  it('tells two sockets on one local port apart: the system allows it where they lead to different servers', () => {
    const book = new AddressBook();
    book.register(from('127.0.0.1', 40_000, 8080), { workload: 'default/a' });
    book.register(from('127.0.0.1', 40_000, 9090), { workload: 'default/b' });
    expect(book.lookup(from('127.0.0.1', 40_000, 8080))).toEqual({ workload: 'default/a' });
    expect(book.lookup(from('127.0.0.1', 40_000, 9090))).toEqual({ workload: 'default/b' });
    expect(book.lookup(from('127.0.0.1', 40_000, 7070))).toBeUndefined();
  });

  it('numbers connections from 1', () => {
    const book = new AddressBook();
    expect([book.nextConnectionId(), book.nextConnectionId(), new AddressBook().nextConnectionId()]).toEqual([1, 2, 1]);
  });
});
