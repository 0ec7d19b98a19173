/** One call through a whole configuration: client TLS, peer authentication, inbound chain and prediction composed. */
import { invariant } from '../../../src/core/index.ts';
import type { MeshConfig } from '../../../src/istio/index.ts';
import { compileClientTls, type ApplicationProtocol } from '../../../src/policy/client-tls.ts';
import { inboundProtocol, protocolClass } from '../../../src/policy/inbound-ports.ts';
import { predictOutcome, type PredictedOutcome } from '../../../src/policy/outcome-prediction.ts';
import type {
  ApplicationTls,
  CallerEnd,
  CertificateFacts,
  OutcomeQuestion,
  ServerEnd,
} from '../../../src/policy/outcome-question.ts';
import { compilePeerAuthentication } from '../../../src/policy/peer-authentication.ts';
import { acceptedTrustDomains } from '../../../src/policy/peer-names.ts';
import { registeredPort } from '../../../src/policy/registered-service.ts';
import { compileServiceRegistry } from '../../../src/policy/service-registry.ts';

export interface Call {
  readonly config: MeshConfig;
  /** `ns/app` of a caller with a sidecar; absent: a caller outside the mesh. */
  readonly from?: string | undefined;
  /** `host:port` */
  readonly to: string;
  readonly speaks?: ApplicationProtocol;
  readonly ownTls?: ApplicationTls;
  readonly callerCertificate?: Partial<CertificateFacts>;
  readonly callerAnchors?: readonly string[];
  readonly serverCertificate?: Partial<CertificateFacts>;
  readonly serverAnchors?: readonly string[];
  /** The application ends TLS itself. */
  readonly applicationTls?: CertificateFacts;
  readonly listening?: boolean;
  readonly tlsVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** The question a call comes to, for its first endpoint. */
export function questionOf(call: Call): OutcomeQuestion {
  const { config, to, speaks = 'http/1.1', from, ownTls, tlsVersion } = call;
  const [host = '', portText = ''] = to.split(':');
  const port = Number(portText);
  const [namespace = 'outside', app = ''] = from?.split('/') ?? [];
  const registry = compileServiceRegistry(config);
  const service = registry.resolve(host, namespace);
  invariant(service, `no service ${host}`);
  const endpoint = service.endpoints(port)[0];
  const bare: CallerEnd = { speaks, host: to, ...(ownTls === undefined ? {} : { ownTls }) };
  const version = tlsVersion === undefined ? {} : { tlsVersion };
  if (endpoint === undefined) return { caller: withSidecar(), ...version };
  return { caller: withSidecar(), server: serverEnd(), ...version };

  function withSidecar(): CallerEnd {
    if (from === undefined || service === undefined) return bare;
    const subject = { namespace, labels: { app } };
    const clientTls = compileClientTls(config);
    const tls =
      endpoint === undefined
        ? clientTls.cluster({ from: subject, service, port }).tls
        : clientTls.decide({ from: subject, service, port, endpoint });
    const trustsMesh = 'trust' in tls && tls.trust.kind === 'mesh';
    return {
      ...bare,
      sidecar: {
        tls,
        protocol: protocolClass(registeredPort(service, port)?.protocol ?? 'auto'),
        certificate: certificate(config, `ns/${namespace}/sa/${app}`, call.callerCertificate),
        anchors: call.callerAnchors ?? (trustsMesh ? ['mesh'] : ['public']),
      },
    };
  }

  function serverEnd(): ServerEnd {
    invariant(endpoint, 'an endpoint');
    const target = registry.targets(endpoint)[0];
    const workload = config.workloads.find(
      ({ namespace, name }) => namespace === target?.workload.namespace && name === target.workload.name,
    );
    const application = {
      ...(call.applicationTls === undefined ? {} : { ownTls: call.applicationTls }),
      ...(call.listening === undefined ? {} : { listening: call.listening }),
    };
    if (workload === undefined || target === undefined || !workload.injected) return application;
    return {
      ...application,
      sidecar: {
        mode: compilePeerAuthentication(config).of(workload, target.port).mode,
        protocol: inboundProtocol(config, workload, target.port),
        certificate: certificate(
          config,
          `ns/${workload.namespace}/sa/${workload.serviceAccount}`,
          call.serverCertificate,
        ),
        anchors: call.serverAnchors ?? ['mesh'],
        trustDomains: acceptedTrustDomains(config.settings),
      },
    };
  }
}

function certificate(config: MeshConfig, path: string, parts: Partial<CertificateFacts> = {}): CertificateFacts {
  return { names: [`spiffe://${config.settings.trustDomain}/${path}`], root: 'mesh', validity: 'valid', ...parts };
}

export function predict(call: Call): PredictedOutcome {
  return predictOutcome(questionOf(call));
}

/** `200 - mutual_tls`, `503 UF,URX san_mismatch`, `reset filter_chain_not_found`, … */
export function answer(call: Call): string {
  return words(predict(call));
}

export function words({ status, flags, security, refusal, ending, reached }: PredictedOutcome): string {
  if (reached) return `${ending === 'open' ? 'open' : String(status)} ${security}`;
  const what =
    ending === 'response' ? `${status} ${flags}` : ending === 'closed' && flags !== '-' ? `closed ${flags}` : ending;
  return `${what} ${refusal?.reason ?? ''}`;
}
