/**
 * SPIFFE IDs, strictly: SPIFFE-ID §2 (scheme, trust domain, path), and Istio's shape `/ns/<namespace>/sa/<account>`.
 *
 * Nothing is normalised: an ID that is not canonical is refused, since two spellings of one identity are a hole.
 * @module
 */
import { MeshError } from '../core/errors.ts';

declare const trustDomainBrand: unique symbol;
declare const spiffeIdBrand: unique symbol;

/** A trust domain name: lower-case letters, digits, dots, dashes, underscores (SPIFFE-ID §2.1), at most 255 bytes. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };
/** A whole SPIFFE ID, `spiffe://trust-domain/path`, at most 2048 bytes (SPIFFE-ID §2.3). */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };

/** Istio's default. */
export const DEFAULT_TRUST_DOMAIN = 'cluster.local' as TrustDomain;

const SCHEME = 'spiffe://';
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;
const TRUST_DOMAIN_BYTES_MAX = 255;
const ID_BYTES_MAX = 2048;

/** Why `text` is not a trust domain, or nothing. */
function trustDomainFault(text: string): string | undefined {
  if (text === '') return 'the trust domain is missing';
  if (text.length > TRUST_DOMAIN_BYTES_MAX) return `the trust domain is longer than ${TRUST_DOMAIN_BYTES_MAX} bytes`;
  if (!TRUST_DOMAIN.test(text)) {
    return 'the trust domain may hold only lower-case letters, digits, dots, dashes and underscores';
  }
  return undefined;
}

/** Why `text` is not a SPIFFE ID, or nothing. */
export function spiffeIdFault(text: string): string | undefined {
  if (text.length > ID_BYTES_MAX) return `longer than ${ID_BYTES_MAX} bytes`;
  if (!text.startsWith(SCHEME)) return 'the scheme is not spiffe://';
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const domainFault = trustDomainFault(slash < 0 ? rest : rest.slice(0, slash));
  if (domainFault !== undefined) return domainFault;
  if (slash < 0) return undefined;
  for (const segment of rest.slice(slash + 1).split('/')) {
    if (segment === '') return 'the path has an empty segment or a trailing slash';
    if (segment === '.' || segment === '..') return 'the path has a dot segment';
    if (!SEGMENT.test(segment)) return 'a path segment may hold only letters, digits, dots, dashes and underscores';
  }
  return undefined;
}

/** @throws MeshError `ERR_IDENTITY_SYNTAX` */
export function parseTrustDomain(text: string): TrustDomain {
  const fault = trustDomainFault(text);
  if (fault !== undefined) throw new MeshError('ERR_IDENTITY_SYNTAX', `trust domain \`${text}\`: ${fault}`);
  return text as TrustDomain;
}

/** @throws MeshError `ERR_IDENTITY_SYNTAX` */
export function parseSpiffeId(text: string): SpiffeId {
  const fault = spiffeIdFault(text);
  if (fault !== undefined) throw new MeshError('ERR_IDENTITY_SYNTAX', `SPIFFE ID \`${text}\`: ${fault}`);
  return text as SpiffeId;
}

export function isSpiffeId(text: string): text is SpiffeId {
  return spiffeIdFault(text) === undefined;
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const rest = id.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  return (slash < 0 ? rest : rest.slice(0, slash)) as TrustDomain;
}

/** The path with its leading slash; empty for the ID of a trust domain itself. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf('/', SCHEME.length);
  return slash < 0 ? '' : id.slice(slash);
}

export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** The SPIFFE ID Istio gives a service account: `spiffe://<td>/ns/<namespace>/sa/<account>`. */
export function workloadSpiffeId(identity: WorkloadIdentity): SpiffeId {
  return parseSpiffeId(`${SCHEME}${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`);
}

/**
 * Splits a URI of Istio's five-part shape, as Istio's own parser does: exactly `spiffe://td/ns/NS/sa/SA`; empty parts
 * pass (they are refused elsewhere). Nothing for any other shape.
 */
export function parseWorkloadIdentity(uri: string): WorkloadIdentity | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  const parts = uri.slice(SCHEME.length).split('/');
  const [trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 5 || ns !== 'ns' || sa !== 'sa') return undefined;
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/** The principal as Istio's policies write it: the SPIFFE ID without its scheme. */
export function principalOf(id: string): string {
  return id.startsWith(SCHEME) ? id.slice(SCHEME.length) : id;
}
