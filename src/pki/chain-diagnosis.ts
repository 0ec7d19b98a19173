/**
 * Why no path is valid. Follows names and signatures alone to a root, then says which rule that path breaks first, from
 * the leaf up; without such a path, what came nearest to one. A forged or rootless chain is so never called expired.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { Certificate } from './certificate.ts';
import { isRepeated, type IssuerPool } from './issuer-pool.ts';
import { issuerFault, leafFault, titleOf, type RuleContext } from './path-rules.ts';
import { checkRevocation, type RevocationList } from './revocation.ts';
import { certificateSignatureFault } from './signature.ts';
import { fault, type Fault, type VerifyReason } from './verify-reasons.ts';

export interface DiagnosisInput {
  readonly pool: IssuerPool;
  readonly rules: RuleContext;
  readonly crls: readonly RevocationList[] | undefined;
  readonly at: Instant;
  readonly pathMax: number;
}

/** A reason is worth less work than a verdict. */
const LINKS_MAX = 32;

/** How much a refusal of an incomplete path says; the most telling one is reported. */
const TELLING: Partial<Record<VerifyReason, number>> = {
  untrusted_root: 0,
  chain_too_long: 1,
  bad_signature: 2,
  unsupported_signature: 3,
  unsupported_key: 3,
};

/** The reason why no path from `leaf` is valid, knowing that none is. */
export function diagnose(leaf: Certificate, input: DiagnosisInput): Fault {
  const search = new Diagnosis(input);
  const path = search.follow([leaf]);
  return (path && pathFault(path, input)) ?? search.nearest;
}

function pathFault(path: readonly Certificate[], { rules, crls, at }: DiagnosisInput): Fault | undefined {
  for (const [depth, certificate] of path.entries()) {
    const found = depth === 0 ? leafFault(certificate, rules) : issuerFault(certificate, path.slice(0, depth), rules);
    if (found !== undefined) return found;
  }
  const revocation = crls && checkRevocation(path, crls, at);
  return revocation && 'reason' in revocation ? revocation : undefined;
}

class Diagnosis {
  readonly #input: DiagnosisInput;
  #linksLeft = LINKS_MAX;
  #telling = -1;
  /** What came nearest to a path. */
  nearest: Fault = fault('untrusted_root', 'no path leads to a trusted root');

  constructor(input: DiagnosisInput) {
    this.#input = input;
  }

  /** The first path to a root by names and signatures. */
  follow(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const { pool, pathMax } = this.#input;
    const subject = path.at(-1);
    if (subject === undefined) return undefined;
    const candidates = pool.issuersOf(subject).filter(({ certificate }) => !isRepeated(path, certificate));
    if (candidates.length === 0) this.#note(rootless(subject, pool));
    for (const { certificate, trusted } of candidates) {
      if (path.length >= pathMax) this.#note(fault('chain_too_long', `no root within ${pathMax} certificates`));
      if (path.length >= pathMax || this.#linksLeft-- <= 0) break;
      const broken = certificateSignatureFault(subject, certificate);
      if (broken !== undefined) {
        this.#note(fault(broken.reason, `${broken.detail} (${titleOf(subject)} by ${titleOf(certificate)})`));
        continue;
      }
      const found = trusted ? [...path, certificate] : this.follow([...path, certificate]);
      if (found !== undefined) return found;
    }
    return path.length === 1 && pool.isTrusted(subject) ? path : undefined;
  }

  #note(found: Fault): void {
    const telling = TELLING[found.reason] ?? 0;
    if (telling <= this.#telling) return;
    this.#telling = telling;
    this.nearest = found;
  }
}

function rootless(subject: Certificate, pool: IssuerPool): Fault {
  const issuer = subject.issuer.isEmpty ? 'nobody' : `\`${subject.issuer.toString()}\``;
  if (!pool.hasIssuerByName(subject)) {
    return fault(
      'untrusted_root',
      `${titleOf(subject)} is issued by ${issuer}, which is neither presented nor trusted`,
    );
  }
  return fault(
    'untrusted_root',
    `no certificate of ${issuer} has the key that ${titleOf(subject)} names as its issuer's`,
  );
}
