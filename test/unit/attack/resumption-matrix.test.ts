/** The resumption matrix on the machine's own runtime. What Node does may change; what the wire does may not. */
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_STATES, resumptionMatrix, type ResumptionRow } from '../../../src/attack/index.ts';
import { instantOf } from '../../../src/core/index.ts';

const WIRE: Readonly<Record<string, string>> = {
  certificate: 'accepted',
  none: 'no_client_certificate',
  'expired since': 'expired',
  'root removed since': 'untrusted_root',
};

describe('the resumption matrix', () => {
  let rows: readonly ResumptionRow[] = [];
  beforeAll(async () => {
    rows = await resumptionMatrix({
      now: () => instantOf(Date.now()),
      wait: async (ms) => {
        await wait(ms);
      },
    });
  });

  it('has every cell once', () => {
    const keys = rows.map(({ version, client, tickets, rotated }) => `${version} ${client} ${tickets} ${rotated}`);
    // Two versions, two kinds of ticket keys; a root is removed by a rotated context alone.
    expect(rows).toHaveLength(2 * 2 * (3 * 2 + 1));
    expect(new Set(keys).size).toBe(rows.length);
  });

  it.each(CLIENT_STATES)('the wire judges anew: %s', (client) => {
    const of = rows.filter((row) => row.client === client);
    expect(of.length).toBeGreaterThan(0);
    for (const { wire } of of) {
      expect(wire).toEqual({
        resumed: false,
        first: client === 'none' ? 'no_client_certificate' : 'accepted',
        second: WIRE[client],
      });
    }
  });

  it('node:tls resumes with the context it had, and with another one where the ticket keys are pinned', () => {
    for (const { rotated, tickets, node } of rows) expect(node.resumed).toBe(!rotated || tickets === 'pinned keys');
  });

  it('node:tls judges a full handshake well: only resumed sessions are stale', () => {
    for (const { node, client } of rows) {
      if (!node.resumed) expect(node.second).toBe(client === 'certificate');
      if (node.stale) expect(node.resumed).toBe(true);
    }
    const stale = rows.filter(({ node }) => node.stale).map(({ client }) => client);
    expect(stale).toContain('expired since');
    expect(stale).toContain('root removed since');
  });
});
