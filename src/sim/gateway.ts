/**
 * A gateway: a workload whose port faces the outside. Its certificate is a public one, its policies are those that select
 * the workload, and what it lets through goes on, by host and path, under the workload's own identity.
 *
 * Facing the outside, it believes nothing a client writes about itself: X-Forwarded-For gets the address it saw, and names
 * the client only where proxies in front are trusted (`numTrustedProxies`); request ids are made anew; X-Forwarded-Client-Cert
 * is its own word (`SANITIZE_SET`); `x-envoy-…` headers are taken off.
 *
 * Not modelled: Gateway and VirtualService resources (routes are options), several certificates by SNI, upgrades, bodies
 * that flow.
 * Source: Istio's gateway listeners; https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/
 * @module
 */
import { type Instant, MeshError, messageOf } from '../core/index.ts';
import { Certificate, keyPairFromPem, verifyChain } from '../pki/index.ts';
import type { Credential, FilterChain, FirstFlight, InboundHeaders, PeerVerdict } from '../wire/index.ts';
import { CLIENT_CERTIFICATE, clientCertificateElement, withoutClientCertificate } from './forwarded-headers.ts';

export interface GatewayRoute {
  /** Hosts without ports, `*.example.com` for many. @defaultValue any */
  readonly hosts?: readonly string[];
  /** Path prefix, by whole segments. @defaultValue any */
  readonly prefix?: string;
  /** `host[:port]` as the gateway's namespace knows it, or `namespace/workload[:port]`. */
  readonly to: string;
}

export interface GatewayOption {
  /** The first that matches is taken; none: 404. */
  readonly routes: readonly GatewayRoute[];
  /** Absent: plain HTTP. */
  readonly tls?: {
    /** PEM, leaf first. */
    readonly cert: string;
    readonly key: string;
    /** PEM of the roots of client certificates; absent: none are asked for. */
    readonly clientRoots?: string;
  };
  /** Proxies in front whose X-Forwarded-For is believed. @defaultValue 0 */
  readonly trustedProxies?: number;
}

/** By `namespace/workload:port`. */
export type GatewayTable = Readonly<Record<string, GatewayOption>>;

/** What a gateway knows of who is connected. */
export interface EdgePeer {
  readonly ip: string;
  readonly isTls: boolean;
  /** DER of a client certificate that was accepted. */
  readonly certificate?: Uint8Array;
}

interface EdgeCredential extends Credential {
  readonly chain: readonly Certificate[];
}

export class Gateway {
  /** What it shows; absent: plain HTTP. */
  readonly credential: EdgeCredential | undefined;
  /** Whom it believes; absent: clients are not asked. */
  readonly clientRoots: readonly Certificate[] | undefined;
  readonly routes: readonly GatewayRoute[];
  readonly #trustedProxies: number;

  /** @throws MeshError `ERR_REQUEST_INVALID` for certificates that are none, or no routes */
  constructor(name: string, { routes, tls, trustedProxies = 0 }: GatewayOption) {
    if (routes.length === 0) throw new MeshError('ERR_REQUEST_INVALID', `gateway \`${name}\` has no routes`);
    this.routes = routes;
    this.#trustedProxies = trustedProxies;
    try {
      this.credential = tls && { chain: Certificate.allFromPem(tls.cert), key: keyPairFromPem(tls.key) };
      this.clientRoots =
        tls?.clientRoots === undefined ? undefined : Object.freeze(Certificate.allFromPem(tls.clientRoots));
    } catch (error) {
      throw new MeshError('ERR_REQUEST_INVALID', `gateway \`${name}\`: ${messageOf(error)}`, { cause: error });
    }
  }

  /** As `Gateway.servers[].tls.mode` calls it. */
  get mode(): 'NONE' | 'SIMPLE' | 'MUTUAL' {
    if (this.credential === undefined) return 'NONE';
    return this.clientRoots === undefined ? 'SIMPLE' : 'MUTUAL';
  }

  chain(flight: FirstFlight): FilterChain {
    if (this.mode === 'NONE')
      return flight.kind === 'raw' && flight.looksLike === 'http' ? 'plain-http' : 'codec-error';
    if (flight.kind === 'raw') return 'refuse';
    return this.mode === 'MUTUAL' ? 'mtls-http' : 'tls-http';
  }

  /** Judges a client certificate: any name under its roots. */
  verifyClient(chain: readonly Uint8Array[], at: Instant): PeerVerdict {
    return verdict(chain, { roots: this.clientRoots ?? [], at, purpose: 'client' });
  }

  /** What a client makes of its certificate that trusts it, and nobody else. */
  verifyServer(chain: readonly Uint8Array[], at: Instant): PeerVerdict {
    return verdict(chain, { roots: Object.freeze(this.credential?.chain.slice(-1) ?? []), at, purpose: 'server' });
  }

  /** The client's address where the proxies in front are believed; else who is connected. */
  remoteIp(headers: InboundHeaders, peer: Pick<EdgePeer, 'ip'>): string {
    const trusted = this.#trustedProxies;
    return trusted === 0 ? peer.ip : (forwardedBy(headers).at(-trusted) ?? peer.ip);
  }

  /** The headers as its policies and the services behind it see them. */
  received(headers: InboundHeaders, peer: EdgePeer, requestId: string): InboundHeaders {
    const kept = Object.entries(withoutClientCertificate(headers)).filter(([name]) => !name.startsWith('x-envoy-'));
    const scheme = peer.isTls ? 'https' : 'http';
    const said = this.#trustedProxies > 0 ? headers['x-forwarded-proto'] : undefined;
    return {
      ...Object.fromEntries(kept),
      'x-forwarded-for': [...forwardedBy(headers), peer.ip].join(','),
      'x-forwarded-proto': said ?? scheme,
      'x-request-id': requestId,
      ...(peer.certificate && {
        [CLIENT_CERTIFICATE]: clientCertificateElement(Certificate.fromDer(peer.certificate), undefined),
      }),
    };
  }

  /** Where a request goes; nothing: 404. */
  route(host: string | undefined, path: string): string | undefined {
    const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
    const bare = path.replace(/[?#].*$/, '');
    return this.routes.find(
      ({ hosts, prefix }) =>
        (hosts === undefined || hosts.some((pattern) => covers(pattern.toLowerCase(), name))) &&
        (prefix === undefined || isBelow(bare, prefix)),
    )?.to;
  }
}

function verdict(chain: readonly Uint8Array[], by: Parameters<typeof verifyChain>[1]): PeerVerdict {
  try {
    const certificates = chain.map((der) => Certificate.fromDer(der));
    const result = verifyChain(certificates, by);
    if (!result.ok) return result;
    const name = certificates[0]?.extensions.subjectAltName?.find(({ kind }) => kind === 'uri');
    const principal = name?.kind === 'uri' && name.text.startsWith('spiffe://') ? name.text : undefined;
    return { ok: true, validUntil: result.validUntil, ...(principal !== undefined && { principal }) };
  } catch (error) {
    return { ok: false, reason: 'malformed', detail: messageOf(error) };
  }
}

function covers(pattern: string, name: string): boolean {
  return pattern.startsWith('*') ? name.endsWith(pattern.slice(1)) : pattern === name;
}

/** As the Gateway API's `PathPrefix`: `/api` holds `/api` and `/api/x`, not `/apis`. */
function isBelow(path: string, prefix: string): boolean {
  const folder = prefix.endsWith('/') ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}

function forwardedBy(headers: InboundHeaders): readonly string[] {
  const header = headers['x-forwarded-for'];
  const text = typeof header === 'string' ? header : (header?.join(',') ?? '');
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
