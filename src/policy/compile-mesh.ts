/**
 * A mesh's whole configuration, compiled once: what every sidecar, the model and the analyses ask.
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { type AuthorizationOptions, compileAuthorization, type CompiledAuthorization } from './authorization.ts';
import { type ClientTls, compileClientTls, type CompiledClientTls } from './client-tls.ts';
import type { Decision } from './decision.ts';
import { inboundProtocol, type ProtocolClass } from './inbound-ports.ts';
import { compilePeerAuthentication, type EffectivePeerAuthentication, type WorkloadSubject } from './peer-authentication.ts';
import type { AuthorizationRequest } from './request.ts';
import { compileServiceRegistry, type RegisteredService, type ServiceRegistry } from './service-registry.ts';
