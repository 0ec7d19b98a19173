/**
 * What istiod's webhook and the CRD refuse in a RequestAuthentication, and what they warn of.
 * Source: https://istio.io/latest/docs/reference/config/security/request_authentication/
 * @module
 */
import { quote } from './config-error.ts';
import { isPlainObject, type Decoding } from './decode.ts';
import { validateAnnotations, validateTarget } from './policy-target.ts';
import type { JwtRule, RequestAuthentication } from './request-authentication.ts';

export function validateRequestAuthentication(policy: RequestAuthentication, at: Decoding): void {
  validateAnnotations(policy.metadata.annotations, at);
  at.in('spec', () => {
    validateTarget(policy.spec, at);
    policy.spec.jwtRules?.forEach((rule, index) =>
      at.in('jwtRules', () => at.in(index, () => validateJwtRule(rule, at))),
    );
  });
}

function validateJwtRule(rule: JwtRule, at: Decoding): void {
  if ((rule.issuer ?? '') === '' && (rule.jwksUri ?? '') === '') at.fault('`issuer` or `jwksUri` is needed');
  else if (rule.issuer === '') at.fault('may not be empty', 'issuer');
  if (rule.jwksUri !== undefined && rule.jwks !== undefined) at.fault('only one of `jwks` and `jwksUri` may be given');
  if (rule.jwks !== undefined && rule.jwks !== '') at.in('jwks', () => validateJwks(rule.jwks ?? '', at));
  notEmpty(rule.audiences, 'audiences', at);
  notEmpty(rule.fromParams, 'fromParams', at);
  notEmpty(rule.fromCookies, 'fromCookies', at);
  notEmpty(rule.spaceDelimitedClaims, 'spaceDelimitedClaims', at);
  rule.fromHeaders?.forEach(({ name }, index) => {
    if (name === '') at.fault('may not be empty', 'fromHeaders', index, 'name');
  });
  rule.outputClaimToHeaders?.forEach(({ header, claim }, index) => {
    if (claim === '') at.fault('may not be empty', 'outputClaimToHeaders', index, 'claim');
    if (!/^[-_A-Za-z0-9]+$/.test(header)) {
      at.fault(`${quote(header)} is not a header name`, 'outputClaimToHeaders', index, 'header');
    }
  });
}

function notEmpty(values: readonly string[] | undefined, field: string, at: Decoding): void {
  values?.forEach((value, index) => {
    if (value === '') at.fault('may not be empty', field, index);
  });
}

function validateJwks(text: string, at: Decoding): void {
  const set = parseJson(text);
  if (!isPlainObject(set)) {
    at.fault('expected a JSON Web Key Set as JSON text');
    return;
  }
  // A single key is a set of one.
  const keys: unknown = set['keys'] ?? [set];
  if (!Array.isArray(keys)) {
    at.fault('`keys` of a JSON Web Key Set is a list');
    return;
  }
  keys.forEach((key: unknown, index) => {
    if (!isPlainObject(key) || typeof key['kty'] !== 'string') at.fault(`key ${index} has no \`kty\``);
    else if (key['d'] !== undefined || key['kty'] === 'oct') {
      at.warn(`key ${index} holds private material; only the public part is used to verify tokens`);
    }
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
