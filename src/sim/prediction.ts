/**
 * The outcome of a request from configuration alone: the model twin of the wire. No socket is touched; of certificates
 * names, dates and key identifiers are compared, signatures taken as read.
 * @module
 */
import { assertNever, type Instant } from '../core/index.ts';
import {
  acceptedTrustDomains,
  type AuthorizationRequest,
  type CallerEnd,
  type CertificateFacts,
  type CompiledMesh,
  type OutcomeQuestion,
  predictOutcome,
  type PredictedOutcome,
} from '../policy/index.ts';
import { BARE_ALPN, type CallerKind } from './departures.ts';
import type { MeshCa } from './mesh-ca.ts';
import { anchorsOf, certificateFacts, type Judge, judgeOf, rootKeyOf } from './predicted-certificate.ts';
import type { MeshRequest, Outcome, OutcomeResult } from './request.ts';
import type { RunningWorkload } from './running-workload.ts';
import { lastForwarded } from './server-sidecar.ts';
import type { Target } from './targets.ts';

export interface PredictionInput {
  readonly request: MeshRequest;
  readonly caller: CallerKind;
  readonly target: Target;
  readonly server: RunningWorkload;
  readonly compiled: CompiledMesh;
  readonly ca: MeshCa;
  readonly now: Instant;
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
    case undefined:
      return 'unreachable';
    default:
      return assertNever(stage);
  }
}

function decided(input: PredictionInput, predicted: PredictedOutcome): Outcome {
  const { request, target, server, compiled, caller } = input;
  const { server: seen, security } = predicted;
  const base = {
    headers: {},
    connection: {
      security,
      ...(security === 'none' ? {} : { serverPrincipal: server.agent?.spiffeId ?? server.spiffeId }),
      ...(seen?.principal === undefined ? {} : { clientPrincipal: seen.principal }),
      resumed: false,
    },
  } as const;
  if (server.agent === undefined) {
    return {
      ...base,
      result: 'allow',
      status: predicted.status,
      flags: predicted.flags,
      details: predicted.details,
      body: '',
      decidedBy: [],
      reason: 'no sidecar in front of the application',
    };
  }
  const asked = attributesOf(request, target, { ip: sourceIp(caller), serverIp: server.ip, seen });
  const decision = compiled.authorize(asked);
  const denied = decision.decision === 'deny';
  return {
    ...base,
    result: denied ? 'deny' : 'allow',
    status: denied ? decision.status : predicted.status,
    flags: predicted.flags,
    details: denied ? (decision.trace.detail ?? decision.reason) : predicted.details,
    body: denied && decision.status === 403 ? 'RBAC: access denied' : '',
    decidedBy: decision.determining,
    reason: decision.reason,
    asked,
    decision,
  };
}

function sourceIp({ running, kind }: CallerKind): string {
  return kind === 'tls' ? '203.0.113.1' : (running?.ip ?? '203.0.113.1');
}

function attributesOf(
  request: MeshRequest,
  target: Target,
  from: { readonly ip: string; readonly serverIp: string; readonly seen: PredictedOutcome['server'] },
): AuthorizationRequest {
  const { workload, endpoint } = target;
  const { principal, sni } = from.seen ?? {};
  return {
    destination: { namespace: workload.namespace, workload: workload.name, port: endpoint.port, ip: from.serverIp },
    source: {
      ip: from.ip,
      remoteIp: forwardedFor(request) ?? from.ip,
      ...(principal === undefined ? {} : { principal: principal.slice('spiffe://'.length) }),
    },
    ...(sni === undefined ? {} : { connection: { sni } }),
    request: {
      method: request.method ?? 'GET',
      host: request.host ?? target.host,
      path: request.path ?? '/',
      headers: request.headers ?? {},
    },
  };
}

function forwardedFor({ headers = {} }: MeshRequest): string | undefined {
  return lastForwarded(Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-forwarded-for')?.[1]);
}

function questionOf(input: PredictionInput): OutcomeQuestion {
  const { caller, target, server, compiled, now, request, ca } = input;
  const { endpoint, workload } = target;
  const client = judgeOf(caller.kind === 'sidecar' ? caller.running : undefined, ca, now);
  const { agent } = server;
  const protocol = compiled.portProtocol(workload, endpoint.port);
  return {
    caller: callerEnd(input, client, request.host ?? target.host),
    server:
      agent === undefined
        ? {}
        : {
            sidecar: {
              mode: compiled.peerAuthentication(workload, endpoint.port).mode,
              protocol,
              ...certificateOf(server, client, ca),
              anchors: anchorsOf(judgeOf(server, ca, now)),
              trustDomains: acceptedTrustDomains(compiled.config.settings),
            },
          },
  };
}

function callerEnd(input: PredictionInput, client: Judge, host: string): CallerEnd {
  const { caller, target, compiled, server, ca, now } = input;
  const judge = judgeOf(server, ca, now);
  const { service, servicePort, endpoint, workload } = target;
  const base = { speaks: 'http/1.1', host } as const;
  switch (caller.kind) {
    case 'sidecar':
      return {
        ...base,
        sidecar: {
          tls: compiled.clientTls({ from: caller.running.workload, service, port: servicePort, endpoint }),
          protocol: compiled.portProtocol(workload, endpoint.port),
          ...certificateOf(caller.running, judge, ca),
          anchors: anchorsOf(client),
        },
      };
    case 'plaintext':
      return base;
    case 'tls':
      return {
        ...base,
        ownTls: {
          alpn: BARE_ALPN,
          sni: `outbound_.${servicePort}_._.${service.host}`,
          anchors: anchorsOf(client),
          names: [],
          ...heldCertificate(caller, ca),
        },
      };
    default:
      return assertNever(caller);
  }
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
  ca: MeshCa,
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
      validity: certificate === 'expired' ? 'expired' : 'valid',
    },
  };
}
