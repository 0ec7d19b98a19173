/**
 * What the rules of one side make of one token: written down plainly, apart from the walk, whose witnesses it judges.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import { JWT_FAULTS, textList, type JwtFault } from '../policy/jwt-token.ts';
import { bareAudience } from '../policy/request-authentication.ts';
import type { Json } from '../policy/request.ts';
import type { WitnessToken } from './token-model.ts';
import { readingOf, type TokenRule } from './token-rules.ts';
import { verifies } from './token-signers.ts';

export type TokenVerdict =
  /** The request passes as one without a token. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly by: PolicyRef; readonly reason: string };

/** @param claims what the token says */
export function verdictOnToken(
  rules: readonly TokenRule[],
  claims: Readonly<Record<string, Json>>,
  { location, signer }: WitnessToken,
): TokenVerdict {
  const finding = rules.filter(({ rule }) => readingOf(rule, location) !== 'nothing');
  const [first] = finding;
  if (first === undefined) return { kind: 'unseen' };
  const { iss = '', aud = [] } = claims;
  const faultOf = (each: TokenRule): JwtFault | undefined => {
    const { issuer = '', audiences = [] } = each.rule;
    if (readingOf(each.rule, location) !== 'token') return 'format';
    if (issuer !== '' && issuer !== iss) return 'issuer';
    const wanted = audiences.map(bareAudience);
    if (wanted.length > 0 && !(textList(aud) ?? []).some((name) => wanted.includes(bareAudience(name)))) {
      return 'audience';
    }
    return verifies(each.keys, signer) ? undefined : 'signature';
  };
  if (finding.some((each) => faultOf(each) === undefined)) return { kind: 'taken' };
  // Put down to the first rule that is for the token's issuer, else to the first that found it.
  const forIssuer = finding.find((each) => faultOf(each) !== 'format' && ['', iss].includes(each.rule.issuer ?? ''));
  const { ref } = forIssuer ?? first;
  const fault = faultOf(forIssuer ?? first) ?? 'signature';
  return { kind: 'refused', by: ref, reason: `the token is refused: ${JWT_FAULTS[fault]}` };
}
