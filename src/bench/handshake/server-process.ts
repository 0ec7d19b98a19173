/**
 * The servers of the handshake bench in a process of their own, so that each side's CPU time can be told apart.
 *
 * Messages in: an endpoint to open, or a question for the CPU time so far; out: the port, or milliseconds.
 * @module
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { AddressBook, InboundListener } from '../../wire/index.ts';
import { credentialOf, type Endpoint, verifierOf } from './endpoint.ts';
import type { ServerQuestion } from './server.ts';

const ANSWER = 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx';

async function open(endpoint: Endpoint): Promise<number> {
  if (endpoint.kind === 'meshproof') return openMeshproof(endpoint);
  const server =
    endpoint.kind === 'plaintext' ? createServer((socket) => greet(socket, endpoint)) : tlsServer(endpoint);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

function tlsServer(endpoint: Endpoint): Server {
  const { identity, mutual, version, group } = endpoint;
  const options = {
    ...identity,
    requestCert: mutual,
    rejectUnauthorized: mutual,
    minVersion: version,
    maxVersion: version,
    ...(group === undefined ? {} : { ecdhCurve: group }),
  };
  return createTlsServer(options, (socket) => greet(socket, endpoint));
}

function greet(socket: Socket, { says }: Endpoint): void {
  socket.on('error', () => socket.destroy());
  if (says === 'byte') socket.end('x');
  else socket.once('data', () => socket.end(ANSWER));
}

async function openMeshproof({ identity, says, memory = 'remembers' }: Endpoint): Promise<number> {
  const credential = credentialOf(identity);
  const listener = await InboundListener.listen({
    port: 8080,
    addresses: new AddressBook(),
    identity: () => credential,
    verifyClient: verifierOf(identity, 'client', memory),
    chain: (flight) => (flight.kind !== 'tls' ? 'refuse' : says === 'byte' ? 'mtls-tcp' : 'mtls-http'),
    onHttp: (exchange) => exchange.reply({ status: 200, body: 'x' }),
    onTcp: (_connection, stream) => stream.end('x'),
  });
  return listener.address.port;
}

async function answer(question: ServerQuestion): Promise<number> {
  if (question.kind === 'open') return open(question.endpoint);
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

process.on('message', (question: ServerQuestion) => {
  void answer(question).then((value) => process.send?.({ id: question.id, value }));
});
process.on('disconnect', () => process.exit(0));
