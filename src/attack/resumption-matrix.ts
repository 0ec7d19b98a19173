/**
 * What this runtime's `node:tls` makes of a resumed session, beside what the wire makes of the same client: TLS 1.2 and
 * 1.3; a client whose certificate is still good, who never had one, whose certificate has expired since, whose root was
 * removed since; ticket keys of the runtime's or pinned; the server's context as it was or rotated.
 *
 * Node judges by the machine's clock, so the certificates here live in its time and one of them expires while we wait.
 * `authorized` is what an application would ask; `identity` is what it would log.
 * @module
 */
import { createServer as createCodec } from 'node:http';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { addMs, DAY_MS, type Instant, SECOND_MS } from '../core/index.ts';
import { parseSpiffeId } from '../identity/index.ts';
import { CertificateAuthority, issueSvid, SvidVerifier, TrustBundleSet, type Svid } from '../pki/index.ts';
import { type Address, AddressBook, type Credential, InboundListener, type InboundRefusal } from '../wire/index.ts';
import { pemOf } from './credentials.ts';
import { callOverTls, type TlsAnswer } from './tls-client.ts';

export const CLIENT_STATES = ['certificate', 'none', 'expired since', 'root removed since'] as const;
export type ClientState = (typeof CLIENT_STATES)[number];
export type MatrixVersion = 'TLSv1.2' | 'TLSv1.3';

export interface ResumptionRow {
  readonly version: MatrixVersion;
  readonly client: ClientState;
  readonly tickets: 'random keys' | 'pinned keys';
  /** Whether the server's context was replaced between the two connections. */
  readonly rotated: boolean;
  /** `node:tls` with its own verdict: `authorized` at the first and the second connection. */
  readonly node: {
    readonly resumed: boolean;
    readonly first: boolean;
    readonly second: boolean;
    readonly identity: string;
    /** It calls authorized what a full handshake would not. */
    readonly stale: boolean;
  };
  /** The wire: `accepted`, or the reason of the refusal. */
  readonly wire: { readonly resumed: boolean; readonly first: string; readonly second: string };
}

export interface MatrixClock {
  /** The machine's clock: Node judges by it. */
  now(): Instant;
  wait(ms: number): Promise<void>;
}

/** Life of the certificate that expires while we wait. */
const SHORT_LIFE_MS: number = 3 * SECOND_MS;
const HOST = 'resumption.example';
const NAME = parseSpiffeId('spiffe://resumption.example/ns/default/sa/client');
const SERVER_NAME = parseSpiffeId('spiffe://resumption.example/ns/default/sa/server');
const TICKET_KEYS_BYTES = 48;

interface Cast {
  readonly root: CertificateAuthority;
  readonly otherRoot: CertificateAuthority;
  readonly server: Svid;
}

type Cell = Pick<ResumptionRow, 'version' | 'client' | 'tickets' | 'rotated'>;

/** Takes about four seconds of the machine's time. */
export async function resumptionMatrix(clock: MatrixClock): Promise<readonly ResumptionRow[]> {
  const cast = castAt(clock.now());
  const probes: { readonly cell: Cell; readonly node: NodeProbe; readonly wire: WireProbe }[] = [];
  try {
    let lastExpiry = clock.now();
    for (const cell of cells()) {
      const at = clock.now();
      const credential = credentialOf(cast, cell.client, at);
      if (cell.client === 'expired since' && credential !== undefined) lastExpiry = credential.notAfter;
      const dialled = { cell, credential };
      const node = await NodeProbe.open(cast, dialled);
      probes.push({ cell, node, wire: await WireProbe.open(cast, dialled, at) });
    }
    await clock.wait(Math.max(0, addMs(lastExpiry, SECOND_MS) - clock.now()));
    const rows: ResumptionRow[] = [];
    for (const { cell, node, wire } of probes)
      rows.push({ ...cell, node: await node.again(), wire: await wire.again(clock.now()) });
    return rows;
  } finally {
    for (const { node, wire } of probes) await Promise.all([node.close(), wire.close()]);
  }
}

function* cells(): Iterable<Cell> {
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const)
    for (const client of CLIENT_STATES)
      for (const tickets of ['random keys', 'pinned keys'] as const)
        for (const rotated of [false, true]) {
          // A root is removed by another context.
          if (rotated || client !== 'root removed since') yield { version, client, tickets, rotated };
        }
}

function castAt(at: Instant): Cast {
  const trustDomain = HOST;
  const root = CertificateAuthority.createRoot({ trustDomain, at: addMs(at, -DAY_MS) });
  return {
    root,
    otherRoot: CertificateAuthority.createRoot({ trustDomain, at: addMs(at, -DAY_MS) }),
    server: issueSvid(root, { spiffeId: SERVER_NAME, at }),
  };
}

/** Made when it is first shown: it may not live long. */
function credentialOf({ root }: Cast, client: ClientState, at: Instant): Svid | undefined {
  if (client === 'none') return undefined;
  return issueSvid(root, { spiffeId: NAME, at, ...(client === 'expired since' && { ttlMs: SHORT_LIFE_MS }) });
}

interface Dialled {
  readonly cell: Cell;
  readonly credential: Credential | undefined;
}

function dialOnce(address: Address, { cell, credential }: Dialled, session?: Buffer): Promise<TlsAnswer> {
  return callOverTls({
    address,
    credential,
    sni: HOST,
    alpn: ['http/1.1'],
    minVersion: cell.version,
    maxVersion: cell.version,
    ...(session && { session }),
    request: { method: 'GET', path: '/', host: HOST },
  });
}

interface Seen {
  readonly resumed: boolean;
  readonly authorized: boolean;
  readonly identity: string;
}

/** A server as Node's documentation has it, that asks for a certificate and lets the application look at `authorized`. */
class NodeProbe {
  readonly #server: Server;
  readonly #cast: Cast;
  readonly #dialled: Dialled;
  readonly #seen: Seen[] = [];
  #session: Buffer | undefined;

  private constructor(cast: Cast, dialled: Dialled) {
    this.#cast = cast;
    this.#dialled = dialled;
    const codec = createCodec((_request, response) => response.end('ok'));
    this.#server = createServer(
      { ...this.#context(cast.root), requestCert: true, rejectUnauthorized: false },
      (socket) => {
        this.#seen.push(seenOf(socket));
        socket.on('error', () => socket.destroy());
        codec.emit('connection', socket);
      },
    );
  }

  static async open(cast: Cast, dialled: Dialled): Promise<NodeProbe> {
    const probe = new NodeProbe(cast, dialled);
    await new Promise<void>((resolve) => probe.#server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    probe.#session = (await probe.#dial()).sessions.at(-1);
    return probe;
  }

  async again(): Promise<ResumptionRow['node']> {
    const { rotated, client } = this.#dialled.cell;
    if (rotated)
      this.#server.setSecureContext(
        this.#context(client === 'root removed since' ? this.#cast.otherRoot : this.#cast.root),
      );
    await this.#dial(this.#session);
    const [first, second] = this.#seen;
    return {
      resumed: second?.resumed ?? false,
      first: first?.authorized ?? false,
      second: second?.authorized ?? false,
      identity: second?.identity ?? '',
      stale: second?.authorized === true && client !== 'certificate',
    };
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #dial(session?: Buffer): Promise<TlsAnswer> {
    const bound = this.#server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    return dialOnce({ host: '127.0.0.1', port }, this.#dialled, session);
  }

  #context(root: CertificateAuthority): { cert: string; key: string; ca: string; ticketKeys?: Buffer } {
    return {
      ...pemOf(this.#cast.server),
      ca: root.certificate.toPem(),
      ...(this.#dialled.cell.tickets === 'pinned keys' && { ticketKeys: Buffer.alloc(TICKET_KEYS_BYTES, 7) }),
    };
  }
}

function seenOf(socket: TLSSocket): Seen {
  return {
    resumed: socket.isSessionReused(),
    authorized: socket.authorized,
    identity: socket.getPeerX509Certificate()?.subjectAltName?.replace('URI:', '') ?? 'nobody',
  };
}

/** The wire's listener, with the same client before it. */
class WireProbe {
  readonly #cast: Cast;
  readonly #dialled: Dialled;
  readonly #verifier = new SvidVerifier();
  #at: Instant;
  #bundles: TrustBundleSet;
  #identity: Svid;
  #listener: InboundListener | undefined;
  #session: Buffer | undefined;
  #first = '';
  #refusal: InboundRefusal | undefined;

  private constructor(cast: Cast, dialled: Dialled, at: Instant) {
    this.#cast = cast;
    this.#dialled = dialled;
    this.#at = at;
    this.#bundles = TrustBundleSet.of({ [HOST]: [cast.root.certificate] });
    this.#identity = cast.server;
  }

  static async open(cast: Cast, dialled: Dialled, at: Instant): Promise<WireProbe> {
    const probe = new WireProbe(cast, dialled, at);
    probe.#listener = await InboundListener.listen({
      port: 443,
      addresses: new AddressBook(),
      chain: () => 'mtls-http',
      identity: () => probe.#identity,
      verifyClient: (chain) => {
        const options = { bundles: probe.#bundles, at: probe.#at, purpose: 'client' as const };
        const result = probe.#verifier.verifyDer(chain, options);
        return result.ok ? { ok: true, principal: result.spiffeId, validUntil: result.validUntil } : result;
      },
      onHttp: (exchange) => exchange.reply({ status: 200, body: 'ok' }),
      onRefused: (refusal) => (probe.#refusal = refusal),
    });
    const answer = await probe.#dial();
    probe.#session = answer.sessions.at(-1);
    probe.#first = await probe.#verdict(answer);
    return probe;
  }

  async again(at: Instant): Promise<ResumptionRow['wire']> {
    const { rotated, client } = this.#dialled.cell;
    const { root, otherRoot } = this.#cast;
    this.#at = at;
    this.#refusal = undefined;
    if (client === 'root removed since') this.#bundles = TrustBundleSet.of({ [HOST]: [otherRoot.certificate] });
    if (rotated) this.#identity = issueSvid(root, { spiffeId: SERVER_NAME, at });
    const answer = await this.#dial(this.#session);
    return { resumed: answer.resumed, first: this.#first, second: await this.#verdict(answer) };
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #dial(session?: Buffer): Promise<TlsAnswer> {
    return dialOnce(this.#listener?.address ?? { host: '', port: 0 }, this.#dialled, session);
  }

  async #verdict(answer: TlsAnswer): Promise<string> {
    if (answer.ok) return 'accepted';
    await new Promise((resolve) => setImmediate(resolve));
    return this.#refusal?.reason ?? answer.reason;
  }
}
