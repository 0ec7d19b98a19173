/**
 * The outcome of a request from configuration alone: the model twin of the wire. No socket is touched; of certificates
 * names, dates and key identifiers are compared, signatures taken as read.
 * @module
 */
import { addMs, assertNever, type Instant } from '../core/index.ts';
import {
  acceptedTrustDomains,
  type ApplicationTls,
  type AuthenticatedRequest,
  type AuthorizationRequest,
  type CallerEnd,
  type CallerSidecar,
  type CertificateFacts,
  type CompiledMesh,
  deniedOutcome,
  type OutcomeQuestion,
  predictOutcome,
  type PredictedOutcome,
  denialBody,
  type RefusedRequest,
} from '../policy/index.ts';
import { Certificate, CLOCK_SKEW_GRACE_MS } from '../pki/index.ts';
import type { ClientTrust } from './client-trust.ts';
import { BARE_ALPN, type CallerKind, clientProtocol, isTls } from './departures.ts';
import { EXPIRED_AGE_MS, HELD_TTL_MS } from './foreign-credentials.ts';
import { OUTSIDE_IP } from './outside.ts';
import { defaultProtocol } from './exchanges.ts';
import { edgeServer, type GatewayAhead, knowsEdge, passedOn } from './gateway-prediction.ts';
import type { MeshCa } from './mesh-ca.ts';
import {
  anchorsOf,
  certificateFacts,
  chainFacts,
  type Judge,
  judgeOf,
  rootAnchors,
  rootKeyOf,
} from './predicted-certificate.ts';
import type { ConnectionTls, MeshConnection, MeshRequest, Outcome, OutcomeResult } from './request.ts';
import type { RunningWorkload } from './running-workload.ts';
import {
  CLIENT_CERTIFICATE,
  clientCertificateElement,
  withChanges,
  withoutClientCertificate,
} from './forwarded-headers.ts';
import type { Target } from './targets.ts';

export interface PredictionInput {
  /** Absent: a raw connection. */
  readonly request: MeshRequest | undefined;
  readonly connection?: Pick<MeshConnection, 'tls'> | undefined;
  readonly caller: CallerKind;
  readonly target: Target;
  readonly server: RunningWorkload;
  readonly compiled: CompiledMesh;
  readonly ca: MeshCa;
  readonly trust: ClientTrust;
  readonly now: Instant;
  /** What the server's RequestAuthentications made of the request's tokens; absent where nobody asked them. */
  readonly tokens?: AuthenticatedRequest | RefusedRequest | undefined;
  /** The target is a gateway; what it lets through goes on. */
  readonly gateway?: GatewayAhead;
}

/** No root of this mesh. */
const OTHER_ROOT = 'other';

export function predict(input: PredictionInput): Outcome {
  const question = questionOf(input);
  const predicted = predictOutcome(question);
  if (predicted.reached) return decided(input, predicted);
  return {
    result: resultOf(predicted),
    status: predicted.status,
    flags: predicted.flags,
    details: predicted.details,
    headers: {},
    body: predicted.body ?? '',
    decidedBy: [],
    reason: predicted.refusal?.reason ?? predicted.details,
    connection: { security: predicted.security, resumed: false },
    ...(predicted.refusal === undefined
      ? {}
      : {
          refusal: {
            stage: predicted.refusal.stage,
            reason: predicted.refusal.reason,
            detail: 'predicted',
            side: sideOf(predicted.refusal),
            applicationBytes: 0,
          },
        }),
  };
}

/** Who refused. What TLS makes of an answer that is not TLS is the client's verdict. */
function sideOf({ stage, reason }: NonNullable<PredictedOutcome['refusal']>): 'client' | 'server' {
  const byClient = stage === 'verify-server' || stage === 'connect' || reason === 'wrong_version_number';
  return byClient ? 'client' : 'server';
}

function resultOf({ refusal, status }: PredictedOutcome): OutcomeResult {
  if (status === 504) return 'timeout';
  const stage = refusal?.stage;
  switch (stage) {
    case 'filter-chain':
    case 'handshake':
    case 'verify-client':
    case 'verify-server':
      return 'handshake-failure';
    case 'authorize':
      return 'deny';
    case 'connect':
    case 'record':
    case undefined:
      return 'unreachable';
    default:
      return assertNever(stage);
  }
}

function decided(input: PredictionInput, predicted: PredictedOutcome): Outcome {
  const { request, target, server, compiled, caller, tokens } = input;
  const { server: seen, security } = predicted;
  const base = {
    headers: {},
    connection: {
      security,
      ...(security === 'none' || input.gateway !== undefined ? {} : serverPrincipal(input)),
      ...(seen?.principal === undefined ? {} : { clientPrincipal: seen.principal }),
      resumed: false,
    },
  } as const;
  const { status, flags, details } = predicted;
  if (server.agent === undefined) {
    const reason = 'no sidecar in front of the application';
    return { ...base, result: 'allow', status, flags, details, body: '', decidedBy: [], reason };
  }
  const isHttp = seen?.protocol === 'http' && request !== undefined;
  const peer = peerOf(target, { ip: sourceIp(caller), serverIp: server.ip, seen });
  if (isHttp && tokens !== undefined && !tokens.ok) {
    const { status: refused, body, detail } = tokens;
    const denied = deniedOutcome(questionOf(input), predicted, { status: refused, body });
    const answer = { status: denied.status, flags: denied.flags, details: detail, body: denied.body ?? '' };
    return { ...base, result: 'deny', ...answer, decidedBy: [], reason: detail };
  }
  const asked = isHttp
    ? {
        ...peer,
        ...verified(requestAttributes(request, input, peer.source.ip, seen), tokens?.ok === true ? tokens : undefined),
      }
    : peer;
  // With tokens, CUSTOM policies have admitted the request as it arrived.
  const decision =
    tokens === undefined
      ? compiled.authorize(asked)
      : compiled.authorization.program(asked.destination).decide(asked, true);
  const by = { decidedBy: decision.determining, reason: decision.reason, asked, decision };
  if (decision.decision === 'allow' && input.gateway !== undefined && request !== undefined) {
    return {
      ...passedOn(
        input.gateway,
        { ...request, host: request.host ?? target.host },
        compiled.config.settings.pathNormalization,
      ),
      connection: base.connection,
    };
  }
  if (decision.decision === 'allow') return { ...base, ...by, result: 'allow', status, flags, details, body: '' };
  const body = denialBody(decision);
  const denied = deniedOutcome(questionOf(input), predicted, { status: decision.status, body });
  return {
    ...base,
    ...by,
    result: 'deny',
    status: denied.status,
    flags: denied.flags,
    details: isHttp ? (decision.trace.detail ?? decision.reason) : denied.details,
    body: denied.body ?? '',
  };
}

/** Whose certificate the client is shown. */
function serverPrincipal({ server }: PredictionInput): { readonly serverPrincipal?: string } {
  return server.agent === undefined ? {} : { serverPrincipal: server.agent.spiffeId };
}

function sourceIp({ running, kind }: CallerKind): string {
  return kind === 'tls' ? OUTSIDE_IP : (running?.ip ?? OUTSIDE_IP);
}

function peerOf(
  { workload, endpoint }: Target,
  from: { readonly ip: string; readonly serverIp: string; readonly seen: PredictedOutcome['server'] },
): AuthorizationRequest & { readonly source: { readonly ip: string } } {
  const { principal, sni } = from.seen ?? {};
  return {
    destination: { namespace: workload.namespace, workload: workload.name, port: endpoint.port, ip: from.serverIp },
    source: { ip: from.ip, ...(principal === undefined ? {} : { principal: principal.slice('spiffe://'.length) }) },
    ...(sni === undefined ? {} : { connection: { sni } }),
  };
}

function requestAttributes(
  request: MeshRequest,
  { caller, target, server, gateway }: PredictionInput,
  ip: string,
  seen: PredictedOutcome['server'],
): HttpAttributes {
  const { principal } = seen ?? {};
  const chain = caller.kind === 'sidecar' && principal !== undefined ? caller.agent.current()?.chain : undefined;
  const sent = withoutClientCertificate(lowerNames(request.headers));
  const [leaf] = chain ?? [];
  const element =
    leaf === undefined
      ? {}
      : { [CLIENT_CERTIFICATE]: clientCertificateElement(leaf, server.agent?.spiffeId ?? server.spiffeId) };
  return {
    source: {
      ip,
      ...(gateway === undefined ? {} : { remoteIp: gateway.gateway.remoteIp(sent, { ip }) }),
      ...(principal === undefined ? {} : { principal: principal.slice('spiffe://'.length) }),
    },
    request: {
      method: request.method ?? 'GET',
      host: request.host ?? target.host,
      path: request.path ?? '/',
      headers:
        gateway === undefined
          ? { ...sent, ...element }
          : gateway.gateway.received(sent, { ip, isTls: caller.kind === 'tls' }, ''),
    },
  };
}

type HttpAttributes = Pick<AuthorizationRequest, 'source' | 'request'>;

/** The request as authorization sees it after its tokens were verified. */
function verified(attributes: HttpAttributes, tokens: AuthenticatedRequest | undefined): HttpAttributes {
  const { request } = attributes;
  if (tokens === undefined || request === undefined) return attributes;
  const { auth, headersToRemove, headersToAdd, path } = tokens;
  return {
    ...attributes,
    request: {
      ...request,
      headers: withChanges(request.headers ?? {}, headersToRemove, headersToAdd),
      ...(path === undefined ? {} : { path }),
      ...(auth === undefined ? {} : { auth }),
    },
  };
}

function lowerNames(headers: MeshRequest['headers'] = {}): NonNullable<MeshRequest['headers']> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function questionOf(input: PredictionInput): OutcomeQuestion {
  const { caller, target, server, compiled, now, request, ca } = input;
  const { endpoint, workload } = target;
  const client = judgeOf(caller.kind === 'sidecar' ? caller.running : undefined, ca, now);
  const { agent } = server;
  const leaf = server.application(endpoint.port).certificate;
  const own = leaf === undefined ? {} : { ownTls: chainFacts([leaf], now) };
  const end = callerEnd(input, client, request?.host ?? target.host);
  if (input.gateway !== undefined) {
    const { gateway } = input.gateway;
    return { caller: knowsEdge(end, gateway, now), server: edgeServer(gateway, end, now) };
  }
  return {
    caller: end,
    server:
      agent === undefined
        ? own
        : {
            ...own,
            sidecar: {
              mode: compiled.peerAuthentication(workload, endpoint.port).mode,
              protocol: compiled.portProtocol(workload, endpoint.port),
              ...certificateOf(server, client, ca),
              anchors: anchorsOf(judgeOf(server, ca, now)),
              trustDomains: acceptedTrustDomains(compiled.config.settings),
            },
          },
  };
}

function callerEnd(input: PredictionInput, client: Judge, host: string): CallerEnd {
  const { caller, target, server, ca, now, request, connection } = input;
  const judge = judgeOf(server, ca, now);
  const { service, servicePort } = target;
  const speaks = request === undefined ? 'tcp' : (request.protocol ?? defaultProtocol(target));
  const ownTls = connection?.tls === undefined ? {} : { ownTls: applicationTls(connection.tls) };
  const base = { speaks, ...(request === undefined ? {} : { host }), ...ownTls } as const;
  switch (caller.kind) {
    case 'sidecar':
      return { ...base, sidecar: callerSidecar(input, caller, { client, judge }) };
    case 'plaintext':
      return base;
    case 'tls':
      return {
        ...base,
        ownTls: {
          alpn: caller.alpn ?? BARE_ALPN[speaks],
          sni: `outbound_.${servicePort}_._.${service.host}`,
          ...(caller.verify === 'none' ? {} : { anchors: anchorsOf(client) }),
          names: [],
          ...heldCertificate(caller, { ca, now, judge }),
        },
      };
    default:
      return assertNever(caller);
  }
}

function applicationTls({ serverName, alpn = [], roots }: ConnectionTls): ApplicationTls {
  const anchors = roots === undefined ? {} : { anchors: Certificate.allFromPem(roots).flatMap(rootAnchors) };
  const named = serverName === undefined ? {} : { sni: serverName };
  return { alpn, ...named, ...anchors, names: serverName === undefined ? [] : [serverName] };
}

function callerSidecar(
  { target, compiled, ca, trust, now }: PredictionInput,
  caller: CallerKind & { readonly kind: 'sidecar' },
  judges: { readonly client: Judge; readonly judge: Judge },
): CallerSidecar {
  const { service, servicePort, endpoint } = target;
  const tls = compiled.clientTls({ from: caller.running.workload, service, port: servicePort, endpoint });
  const protocol = clientProtocol(service, servicePort);
  if (!isTls(tls)) return { tls, protocol, anchors: anchorsOf(judges.client) };
  const files = trust.facts(tls, now);
  const shown = files === undefined ? certificateOf(caller.running, judges.judge, ca) : { certificate: files };
  const credential = trust.credential(tls, caller.agent);
  return {
    tls,
    protocol,
    // Files that do not exist show nothing.
    ...(credential === undefined ? {} : shown),
    anchors: trust.anchors(tls, caller.agent),
  };
}

function certificateOf(
  { agent }: RunningWorkload,
  judge: Judge,
  ca: MeshCa,
): { readonly certificate?: CertificateFacts } {
  const svid = agent?.current();
  return svid === undefined ? {} : { certificate: certificateFacts(svid, judge, ca) };
}

/** Certificates of trust domains that are not let in lead to another root. */
function heldCertificate(
  caller: CallerKind & { readonly kind: 'tls' },
  { ca, now, judge }: { readonly ca: MeshCa; readonly now: Instant; readonly judge: Judge },
): { readonly certificate?: CertificateFacts } {
  const { certificate, running } = caller;
  if (certificate === 'none') return {};
  const names = [caller.spiffeId ?? running?.spiffeId ?? 'spiffe://cluster.local/ns/default/sa/default'];
  const foreign =
    certificate === 'rogue' ||
    certificate === 'self-signed' ||
    !names.some((name) => ca.bundles.trustDomains.some((own) => name.startsWith(`spiffe://${own}/`)));
  return {
    certificate: {
      names,
      root: foreign ? OTHER_ROOT : rootKeyOf(ca.intermediate.chain),
      validity: heldValidity(certificate === 'expired' ? addMs(now, -EXPIRED_AGE_MS) : now, judge),
    },
  };
}

/** The server judges dates by its own clock. */
function heldValidity(issuedAt: Instant, { at }: Judge): CertificateFacts['validity'] {
  if (at > addMs(issuedAt, HELD_TTL_MS)) return 'expired';
  return at < addMs(issuedAt, -CLOCK_SKEW_GRACE_MS) ? 'not_yet_valid' : 'valid';
}
