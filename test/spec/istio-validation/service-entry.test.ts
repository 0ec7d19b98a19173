/**
 * ServiceEntries, WorkloadEntries and RequestAuthentications as their CRDs and istiod's webhook take them.
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
 */
import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../../src/istio/index.ts';
import { faults, warnings } from '../../unit/istio/faults.ts';

type Fields = Readonly<Record<string, unknown>>;

const http = { number: 80, name: 'http', protocol: 'HTTP' };
const tcp = { number: 81, name: 'tcp', protocol: 'TCP' };
const https = { number: 443, name: 'https', protocol: 'HTTPS' };
const entry = (fields: Fields): Fields => ({ hosts: ['a.com'], ports: [http], resolution: 'DNS', ...fields });

describe('istio-validation/service-entry', () => {
  it.each<[string, Fields, RegExp]>([
    ['a socket to look up', { endpoints: [{ address: 'unix:///a' }] }, /expected an IP address or a host name/],
    ['a network to look up', { endpoints: [{ network: 'n' }] }, /needs an address/],
    ['a long address', { addresses: ['1'.repeat(65)] }, /addresses\[0\]: expected at most 64 characters/],
    ['many labels', { workloadSelector: { labels: many(257) } }, /labels: expected at most 256 keys, found 257/],
  ])('refuses %s', (_, fields, message) => {
    expect(faults('ServiceEntry', entry(fields)).join('\n')).toMatch(message);
  });

  it('takes a socket and a network where nothing is looked up', () => {
    const fields = { resolution: 'STATIC', endpoints: [{ address: 'unix:///a' }, { network: 'n' }] };
    expect(faults('ServiceEntry', entry(fields))).toEqual([]);
  });

  it.each<[string, Fields, RegExp | undefined]>([
    [
      'TCP without an address or allocation',
      { resolution: 'NONE', ports: [http, tcp] },
      /ports\[1\]: a TCP port needs/,
    ],
    [
      'a sniffed port without an address',
      { resolution: 'NONE', ports: [{ number: 1, name: 'x' }] },
      /a TCP port needs/,
    ],
    ['TCP whose address is allocated', { ports: [tcp] }, undefined],
    ['TCP with an address', { resolution: 'NONE', ports: [tcp], addresses: ['1.2.3.4'] }, undefined],
    [
      'several hosts of one address on HTTPS',
      { hosts: ['a.com', 'b.com'], addresses: ['1.2.3.4'], ports: [http, https] },
      /hosts: several hosts share the addresses/,
    ],
    ['several hosts of one address on HTTP', { hosts: ['a.com', 'b.com'], addresses: ['1.2.3.4'] }, undefined],
  ])('on %s', (_, fields, message) => {
    expect(faults('ServiceEntry', entry(fields))).toEqual([]);
    const lines = warnings('ServiceEntry', entry(fields));
    if (message === undefined) expect(lines).toEqual([]);
    else expect(lines.join('\n')).toMatch(message);
  });

  it('warns of TCP without an address where allocation is switched off by the label', () => {
    const head = { labels: { 'networking.istio.io/enable-autoallocate-ip': 'False' } };
    expect(warnings('ServiceEntry', entry({ ports: [tcp] }), head).join()).toContain('a TCP port needs');
  });

  it.each([
    [{}, 0],
    [{ 'istio.io/use-waypoint': 'None' }, 0],
    [{ 'istio.io/use-waypoint': 'w' }, 1],
  ])('lets hosts inside the mesh be looked up as they come without a waypoint: %j', (labels, count) => {
    const spec = entry({ hosts: ['*.a.com'], resolution: 'DYNAMIC_DNS', location: 'MESH_INTERNAL' });
    expect(faults('ServiceEntry', spec, { labels })).toHaveLength(count);
  });

  it('reads an IPv6 address that ends a list in brackets as kubectl does', () => {
    const text = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: x }
spec:
  hosts: [a.com]
  addresses: [fd00::, 1.2.3.4, 2001:db8::]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
`;
    expect(parseManifests(text).serviceEntries[0]?.spec.addresses).toEqual(['fd00::', '1.2.3.4', '2001:db8::']);
    expect(() => parseManifests(text.replace('1.2.3.4, 2001:db8::', 'x, y:'), { origin: 'f' })).toThrow(
      /f:6:23: .*`x` is neither[^]*f:6:26: .*`y:` is neither/,
    );
  });

  it('limits a WorkloadEntry as its CRD does', () => {
    const ports = Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`p${index}`, 1]));
    const lines = faults('WorkloadEntry', { address: 'a.com', ports, serviceAccount: 'x'.repeat(254), weight: -1 });
    expect(lines.join('\n')).toMatch(/at most 128 keys[^]*serviceAccount: expected at most 253[^]*weight: expected/);
  });
});

describe('istio-validation/request-authentication', () => {
  const rule = (fields: Fields): Fields => ({ jwtRules: [{ issuer: 'a', ...fields }] });

  it('takes the fields of the newest CRD, and the second name of jwksUri', () => {
    expect(faults('RequestAuthentication', rule({ presence: 'REQUIRED', timeout: '5s' }))).toEqual([]);
    expect(faults('RequestAuthentication', rule({ jwks_uri: 'https://a.com/keys' }))).toEqual([]);
  });

  it.each<[string, Fields, RegExp]>([
    ['a presence that is none', { presence: 'MANDATORY' }, /expected one of `OPTIONAL`, `REQUIRED`/],
    ['both names of jwksUri', { jwks_uri: 'https://a.com', jwksUri: 'https://a.com' }, /is the same field/],
    ['a scheme that is none of the web', { jwks_uri: 'ftp://a.com' }, /jwks_uri: expected an http or https URL/],
    ['a timeout in days', { timeout: '1d' }, /timeout: `1d` is not a duration/],
  ])('refuses %s', (_, fields, message) => {
    expect(faults('RequestAuthentication', rule(fields)).join('\n')).toMatch(message);
  });

  it('limits the labels of a selector', () => {
    const lines = faults('RequestAuthentication', { selector: { matchLabels: many(4097) } });
    expect(lines).toEqual(['spec.selector.matchLabels: expected at most 4096 keys, found 4097']);
  });
});

function many(count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
}
