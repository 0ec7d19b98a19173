import { describe, expect, it } from 'vitest';
import { AddressBook } from '../../../src/wire/index.ts';

const HERE = { host: '127.0.0.1', port: 40_000 };

describe('the address book', () => {
  it('knows a socket from its entry to its end, however the address is written', () => {
    const book = new AddressBook();
    const peer = { workload: 'default/frontend', ip: '10.0.0.5' };
    const entry = book.register(HERE, peer);
    expect(book.lookup('127.0.0.1', 40_000)).toBe(peer);
    expect(book.lookup('::ffff:127.0.0.1', 40_000)).toBe(peer);
    expect(book.lookup('127.0.0.2', 40_000)).toBeUndefined();
    expect(book.lookup('127.0.0.1', 40_001)).toBeUndefined();
    entry[Symbol.dispose]();
    expect(book.lookup('127.0.0.1', 40_000)).toBeUndefined();
    expect(book.size).toBe(0);
  });

  it('keeps the entry of a new socket when the old one of the same port is disposed late', () => {
    const book = new AddressBook();
    const old = book.register(HERE, { workload: 'default/a' });
    book.register(HERE, { workload: 'default/b' });
    old[Symbol.dispose]();
    expect(book.lookup('127.0.0.1', 40_000)).toEqual({ workload: 'default/b' });
  });

  it('numbers connections from 1', () => {
    const book = new AddressBook();
    expect([book.nextConnectionId(), book.nextConnectionId(), new AddressBook().nextConnectionId()]).toEqual([1, 2, 1]);
  });
});
