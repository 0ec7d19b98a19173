/**
 * A session ticket from before a revocation. A resumed handshake shows no certificate, so a server that asks for one
 * only in full handshakes lets the holder in for as long as the ticket lives. The twin is such a server: it judges a
 * chain when it sees one, and trusts a resumed session, as `node:tls` does by default.
 * @module
 */
import { createServer as createCodec } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { MeshError } from '../core/index.ts';
import type { Svid } from '../pki/index.ts';
import type { Address } from '../wire/index.ts';
import type { Attack } from './attack.ts';
import { pemOf } from './credentials.ts';
import { Scene } from './scene.ts';
import { callOverTls, chainOf, type TlsAnswer } from './tls-client.ts';

const VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const;

export const ticketReplay: Attack = {
  name: 'ticket-replay',
  title: 'Ticket replay after revocation',
  tries: 'collects TLS session tickets with a stolen certificate, waits until it is revoked, and resumes',
  defence: 'no session is resumed: every connection shows its certificate, which is judged at this instant',
  broken: 'a server with Node’s defaults: tickets on, a resumed session counts as authenticated',
  async run(context) {
    await using scene = await Scene.open(ticketReplay, context);
    await scene.honestCall();
    const { simulation } = scene.mesh;
    const stolen = simulation.svid(scene.victim.from);
    const server = simulation.svid(scene.way.server);
    if (stolen === undefined || server === undefined)
      throw new MeshError('ERR_ATTACK', 'there is no certificate to use');
    await using gullible = scene.twin ? await GullibleServer.listen(scene, server) : undefined;
    const address = gullible?.address ?? scene.way.route.address;
    const before = await Promise.all(VERSIONS.map((version) => dialWith(scene, { address, stolen, version })));
    const sessions = before.map((answer) => answer.sessions.at(-1));
    scene.step(
      `the attacker connects with the stolen certificate and keeps ${sessions.filter(Boolean).length} sessions`,
    );
    simulation.ca.revoke(stolen.serial);
    simulation.agent(scene.victim.from)?.renew();
    scene.step(`${stolen.serial} is revoked; the pod gets another certificate`);
    const fresh = await dialWith(scene, { address, stolen, version: 'TLSv1.3' });
    scene.evidence('a full handshake with the revoked certificate', describe(fresh));
    scene.count();
    const replayed: TlsAnswer[] = [];
    for (const [i, version] of VERSIONS.entries()) {
      const session = sessions[i];
      const answer = await dialWith(scene, { address, stolen, version, ...(session && { session }) });
      scene.evidence(`${version} with the session from before`, describe(answer));
      replayed.push(answer);
    }
    scene.step('the attacker offers its sessions for resumption');
    if (gullible) scene.evidence('what the gullible server handed to its application', `${gullible.bytes} bytes`);
    const won = replayed.find((answer) => answer.ok && answer.status === 200);
    if (won !== undefined) return scene.end({ verdict: 'succeeded' });
    return scene.end({ verdict: 'refused', refusal: await scene.refusalOf(replayed[0] ?? fresh) });
  },
};

function dialWith(
  { way, victim }: Scene,
  use: {
    readonly address: Address;
    readonly stolen: Svid;
    readonly version: (typeof VERSIONS)[number];
    readonly session?: Buffer;
  },
): Promise<TlsAnswer> {
  return callOverTls({
    address: use.address,
    credential: use.stolen,
    minVersion: use.version,
    maxVersion: use.version,
    ...(way.route.tls?.sni !== undefined && { sni: way.route.tls.sni }),
    alpn: ['istio-http/1.1', 'istio'],
    ...(use.session && { session: use.session }),
    request: { method: victim.method, path: victim.path, host: way.host },
  });
}

function describe(answer: TlsAnswer): string {
  const how = answer.resumed ? ', resumed' : ', full handshake';
  return answer.ok ? `${answer.status}${how}` : `refused (${answer.reason})${how}`;
}

/** Judges a chain when it sees one, and trusts a resumed session. */
class GullibleServer implements AsyncDisposable {
  readonly address: Address;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Bytes its application would have been given. */
  bytes = 0;

  private constructor(server: Server, port: number, { mesh }: Scene, identity: Svid) {
    this.#server = server;
    this.address = { host: '127.0.0.1', port };
    const { ca, clock } = mesh.simulation;
    const codec = createCodec((request, response) => {
      this.bytes += (request.method ?? '').length + (request.url ?? '').length + request.rawHeaders.join('').length;
      response.end('{"served":true}');
    });
    const secureContext = createSecureContext(pemOf(identity));
    secureContext.context.setSessionIdContext?.('gullible');
    server.on('connection', (raw) => {
      this.#sockets.add(raw);
      raw.on('error', ignore);
      raw.once('close', () => this.#sockets.delete(raw));
      const socket = new TLSSocket(raw, {
        isServer: true,
        secureContext,
        requestCert: true,
        rejectUnauthorized: false,
      });
      socket.on('error', ignore);
      socket.on('_tlsError', () => socket.destroy());
      socket.once('secure', () => {
        const verdict = socket.isSessionReused() ? undefined : ca.verifyClient(chainOf(socket), clock.now());
        if (verdict?.ok === false) socket.destroy();
        else codec.emit('connection', socket);
      });
    });
  }

  static async listen(scene: Scene, identity: Svid): Promise<GullibleServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const bound = server.address();
    return new GullibleServer(server, bound !== null && typeof bound === 'object' ? bound.port : 0, scene, identity);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function ignore(): void {}
