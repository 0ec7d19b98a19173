/** A certificate authority, two workloads, and the sidecars between them, on real sockets. */
import { X509Certificate } from 'node:crypto';
import { addMs, DEFAULT_EPOCH, HOUR_MS, type Instant } from '../../../../src/core/index.ts';
import { parseSpiffeId } from '../../../../src/identity/index.ts';
import { CertificateAuthority, issueSvid, type Svid } from '../../../../src/pki/index.ts';
import {
  AddressBook,
  InboundListener,
  type FirstFlight,
  type FilterChain,
  type InboundConnection,
  type InboundExchange,
  type InboundOptions,
  type InboundRefusal,
  OutboundPool,
  type OutboundRoute,
  type OutboundTls,
  type PeerVerdict,
  Seam,
  type VerifyPeer,
} from '../../../../src/wire/index.ts';

export const AT: Instant = addMs(DEFAULT_EPOCH, HOUR_MS);
export const SNI = 'outbound_.8080_._.backend.default.svc.cluster.local';
export const ISTIO_HTTP_ALPN: readonly string[] = ['istio-http/1.1', 'istio', 'http/1.1'];
export const LINK = { source: 'default/frontend', destination: 'default/backend', port: 8080 };

export const AUTHORITY: CertificateAuthority = CertificateAuthority.createRoot({
  trustDomain: 'cluster.local',
  at: DEFAULT_EPOCH,
}).createIntermediate({ at: DEFAULT_EPOCH });
export const ROGUE: CertificateAuthority = CertificateAuthority.createRoot({
  trustDomain: 'cluster.local',
  at: DEFAULT_EPOCH,
});

export function idOf(serviceAccount: string): string {
  return `spiffe://cluster.local/ns/default/sa/${serviceAccount}`;
}

export function svidFor(serviceAccount: string, options: { from?: CertificateAuthority; ttlMs?: number } = {}): Svid {
  return issueSvid(options.from ?? AUTHORITY, {
    spiffeId: parseSpiffeId(idOf(serviceAccount)),
    at: DEFAULT_EPOCH,
    ...(options.ttlMs !== undefined && { ttlMs: options.ttlMs }),
  });
}

/** A judge made of node:crypto alone: signatures leaf to root, dates at `at`, the URI SAN, and a list of names. */
export function judge(
  options: { at?: Instant; root?: CertificateAuthority; accept?: readonly string[] } = {},
): VerifyPeer {
  const { at = AT, root = AUTHORITY, accept } = options;
  const anchor = new X509Certificate(root.root.der);
  return (chain) => judgeChain(chain, { at, anchor, accept });
}

function judgeChain(
  chain: readonly Uint8Array[],
  { at, anchor, accept }: { at: Instant; anchor: X509Certificate; accept: readonly string[] | undefined },
): PeerVerdict {
  const certificates = chain.map((der) => new X509Certificate(der));
  for (const [i, certificate] of certificates.entries()) {
    if (Date.parse(certificate.validTo) < at) return { ok: false, reason: 'expired', detail: certificate.validTo };
    if (Date.parse(certificate.validFrom) > at) return { ok: false, reason: 'not_yet_valid', detail: '' };
    const issuer = certificates[i + 1] ?? anchor;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      return { ok: false, reason: 'untrusted_root', detail: certificate.issuer };
    }
  }
  const [leaf] = certificates;
  const principal = leaf?.subjectAltName?.replace(/^URI:/, '') ?? '';
  if (accept !== undefined && !accept.includes(principal)) {
    return { ok: false, reason: 'san_mismatch', detail: principal };
  }
  return { ok: true, principal, validUntil: Date.parse(leaf?.validTo ?? '') as Instant };
}

/** Istio's choice on an HTTP port in STRICT mode. */
export function strictHttp(flight: FirstFlight): FilterChain {
  return flight.kind === 'tls' ? 'mtls-http' : 'refuse';
}

export interface Seen {
  readonly opened: InboundConnection[];
  readonly closed: InboundConnection[];
  readonly refused: InboundRefusal[];
  requests: number;
}

export interface World extends AsyncDisposable {
  readonly addresses: AddressBook;
  readonly seam: Seam;
  readonly pool: OutboundPool;
  readonly listener: InboundListener;
  readonly seen: Seen;
  route(changes?: Partial<Omit<OutboundRoute, 'tls'>> & { tls?: Partial<OutboundTls> | null }): OutboundRoute;
}

export const BACKEND: Svid = svidFor('backend');
export const FRONTEND: Svid = svidFor('frontend');

/** One server sidecar for `default/backend`, one pool for its callers. */
export async function startWorld(options: Partial<InboundOptions> = {}): Promise<World> {
  const addresses = options.addresses ?? new AddressBook();
  const seam = new Seam(addresses);
  const pool = new OutboundPool({ seam, addresses });
  const seen: Seen = { opened: [], closed: [], refused: [], requests: 0 };
  const onHttp = options.onHttp ?? ((exchange: InboundExchange) => exchange.reply({ status: 200, body: 'hello' }));
  const listener = await InboundListener.listen({
    port: 8080,
    chain: strictHttp,
    identity: () => BACKEND,
    verifyClient: judge(),
    addresses,
    onOpened: (connection) => seen.opened.push(connection),
    onClosed: (connection) => seen.closed.push(connection),
    onRefused: (refusal) => seen.refused.push(refusal),
    ...options,
    onHttp: (exchange) => {
      seen.requests += 1;
      return onHttp(exchange);
    },
  });
  const tls: OutboundTls = {
    sni: SNI,
    alpn: ISTIO_HTTP_ALPN,
    identity: () => FRONTEND,
    verifyServer: judge({ accept: [idOf('backend')] }),
  };
  return {
    addresses,
    seam,
    pool,
    listener,
    seen,
    route: (changes = {}) => {
      const { tls: tlsChanges, ...rest } = changes;
      return {
        key: 'backend',
        link: LINK,
        address: listener.address,
        virtualSourceIp: '10.0.0.5',
        ...(tlsChanges !== null && { tls: { ...tls, ...tlsChanges } }),
        ...rest,
      };
    },
    [Symbol.asyncDispose]: async () => {
      await pool.close();
      await seam.close();
      await listener.close();
    },
  };
}

/** Waits until `condition` holds: for what arrives by socket and has no promise of its own. */
export async function until(condition: () => boolean, what = 'condition'): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`never came true: ${what}`);
}
