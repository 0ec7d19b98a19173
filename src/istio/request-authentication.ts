/**
 * security.istio.io RequestAuthentication.
 * Source: https://istio.io/latest/docs/reference/config/security/request_authentication/
 * @module
 */
import type { PolicyTargetReference, Resource, WorkloadSelector } from './resource.ts';

export interface JwtRule {
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  readonly jwksUri?: string;
  /** A JWK set as JSON text. */
  readonly jwks?: string;
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromParams?: readonly string[];
  readonly fromCookies?: readonly string[];
  readonly outputPayloadToHeader?: string;
  readonly forwardOriginalToken?: boolean;
  readonly outputClaimToHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly timeout?: string;
  readonly spaceDelimitedClaims?: readonly string[];
  /** In the CRD, and read by no istiod yet: a request without a token passes all the same. */
  readonly presence?: 'OPTIONAL' | 'REQUIRED';
}

export interface RequestAuthenticationSpec {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
  readonly jwtRules?: readonly JwtRule[];
}

export type RequestAuthentication = Resource<'RequestAuthentication', RequestAuthenticationSpec>;
