/** Addresses are cut at both ends of every block. */
import { expect, it } from 'vitest';
import { addressClasses } from '../../../src/analysis/address-classes.ts';

const classes = (...blocks: readonly string[]): readonly string[] =>
  addressClasses(blocks)
    .classes.map(({ hits }) => hits.join(''))
    .sort();

it.each([
  [
    'what lies behind a block within another that starts where it does',
    ['10.0.0.0/8', '10.0.0.0/16'],
    ['00', '10', '11'],
  ],
  [
    'what lies before a block within another that ends where it does',
    ['10.0.0.0/8', '10.255.0.0/16'],
    ['00', '10', '11'],
  ],
  [
    'what lies between two blocks within another that start and end where it does',
    ['10.0.0.0/8', '10.0.0.0/16', '10.255.0.0/16'],
    ['000', '100', '101', '110'],
  ],
  ['nothing between neighbours that make up the whole', ['0.0.0.0/1', '128.0.0.0/1', '::/0'], ['001', '010', '100']],
  ['the same for IPv6', ['2001:db8::/32', '2001:db8::/48'], ['00', '10', '11']],
])('%s', (_, blocks, expected) => {
  expect(classes(...blocks)).toEqual(expected);
});
