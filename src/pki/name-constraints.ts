/**
 * Name constraints: whether the names of a certificate lie in the subtrees an issuer permits and outside those it
 * excludes. Applied to directory names, DNS names, e-mail addresses, URIs and IP addresses; a constraint on any other
 * kind refuses a certificate that has a name of that kind, and so does a constraint or a name that makes no sense.
 *
 * As OpenSSL does, e-mail addresses of the subject count as e-mail names, and a leaf without DNS names that carries one
 * as its common name is held to it. A wildcard is excluded if any name it stands for is.
 *
 * Source: RFC 5280 §4.2.1.10, §6.1.3 (b), (c); SPIFFE X509-SVID §4.2.
 * @module
 */
import type { Certificate } from './certificate.ts';
import { ATTRIBUTE } from './der/oids.ts';
import { TAG } from './der/reader.ts';
import type { NameConstraints } from './extensions.ts';
import type { GeneralName, GeneralNameKind } from './general-name.ts';

/** What is left to spend; `name-constraints.ts` takes from it before it compares. */
export interface ComparisonBudget {
  nameComparisons: number;
}

export type ConstraintVerdict = 'within' | 'budget' | { readonly violation: string };

interface Subject {
  readonly certificate: Certificate;
  /** Whether it is the last of the path, whose common name may stand for a DNS name. */
  readonly leaf: boolean;
}

/** Judges every name of one certificate by the constraints of one issuer above it. */
export function judgeNames(
  constraints: NameConstraints,
  subject: Subject,
  budget: ComparisonBudget,
): ConstraintVerdict {
  const { permitted, excluded, invalid } = prepare(constraints);
  if (invalid !== undefined) return { violation: `the constraint ${printed(invalid)} is not valid` };
  if (hasForeignEmail(subject.certificate)) return { violation: 'an e-mail address of the subject is no IA5String' };
  const names = namesOf(subject);
  // Counted as OpenSSL counts, every name against every constraint, whatever their kinds.
  budget.nameComparisons -= names.length * (constraints.permitted.length + constraints.excluded.length);
  if (budget.nameComparisons < 0) return 'budget';
  for (const name of names) {
    const allowed = permitted.get(name.kind) ?? [];
    const forbidden = excluded.get(name.kind) ?? [];
    if (allowed.length + forbidden.length === 0) continue;
    if (!isComparable(name)) return { violation: `${printed(name)} cannot be compared with a constraint` };
    if (allowed.length > 0 && !allowed.some((base) => isWithin(name, base))) {
      return { violation: `${printed(name)} is not permitted` };
    }
    if (forbidden.some((base) => isWithin(name, base) || wildcardReaches(name, base))) {
      return { violation: `${printed(name)} is excluded` };
    }
  }
  return 'within';
}

interface Prepared {
  readonly permitted: ReadonlyMap<GeneralNameKind, readonly GeneralName[]>;
  readonly excluded: ReadonlyMap<GeneralNameKind, readonly GeneralName[]>;
  readonly invalid: GeneralName | undefined;
}

/** A hostile chain may have the same large constraints judged again and again. */
const preparations = new WeakMap<NameConstraints, Prepared>();

function prepare(constraints: NameConstraints): Prepared {
  let prepared = preparations.get(constraints);
  if (prepared === undefined) {
    const { permitted, excluded } = constraints;
    const invalid = [...permitted, ...excluded].find((base) => !isValidBase(base));
    prepared = { permitted: byKind(permitted), excluded: byKind(excluded), invalid };
    preparations.set(constraints, prepared);
  }
  return prepared;
}

function byKind(bases: readonly GeneralName[]): ReadonlyMap<GeneralNameKind, readonly GeneralName[]> {
  const kinds = new Map<GeneralNameKind, GeneralName[]>();
  for (const base of bases) {
    const list = kinds.get(base.kind);
    if (list) list.push(base);
    else kinds.set(base.kind, [base]);
  }
  return kinds;
}

/** RFC 5280 §4.1.2.6 allows IA5String alone, and OpenSSL applies no constraints to a subject with another type. */
function hasForeignEmail({ subject }: Certificate): boolean {
  return subject.rdns.some((rdn) => rdn.some((a) => a.type === ATTRIBUTE.emailAddress && a.tag !== TAG.ia5String));
}

function namesOf({ certificate, leaf }: Subject): readonly GeneralName[] {
  const { subject } = certificate;
  const alternative = certificate.extensions.subjectAltName ?? [];
  const names: GeneralName[] = subject.isEmpty ? [] : [{ kind: 'directory', name: subject }];
  for (const text of subject.attribute(ATTRIBUTE.emailAddress)) names.push({ kind: 'email', text });
  if (leaf && !alternative.some((name) => name.kind === 'dns')) {
    for (const text of subject.attribute(ATTRIBUTE.commonName)) {
      if (text.includes('.') && HOST.test(text)) names.push({ kind: 'dns', text });
    }
  }
  return [...names, ...alternative];
}

/** Labels of letters, digits, dashes and underscores; no empty label. */
const HOST = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i;
const IPV4 = /^\d+(?:\.\d+){3}$/;
/** A dot-atom of RFC 5322; an asterisk is an ordinary character in it. */
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i;

function isValidBase(base: GeneralName): boolean {
  switch (base.kind) {
    case 'dns':
      return base.text === '' || HOST.test(base.text);
    case 'uri':
      return isDomainBase(base.text);
    case 'email':
      return base.text.includes('@') ? mailboxOf(base.text) !== undefined : isDomainBase(base.text);
    case 'ip':
      return isContiguousMask(base.bytes.subarray(base.bytes.length / 2));
    case 'directory':
    case 'other':
    case 'registered-id':
    default:
      return true;
  }
}

/** A host, or a domain with a leading dot for whatever lies below it. */
function isDomainBase(text: string): boolean {
  return HOST.test(text.startsWith('.') ? text.slice(1) : text);
}

function isContiguousMask(mask: Uint8Array): boolean {
  return /^1*0*$/.test([...mask].map((byte) => byte.toString(2).padStart(8, '0')).join(''));
}

function isComparable(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return HOST.test(withoutWildcard(name.text));
    case 'email':
      return mailboxOf(name.text) !== undefined;
    case 'uri':
      return uriHost(name.text) !== undefined;
    case 'ip':
    case 'directory':
      return true;
    case 'other':
    case 'registered-id':
    default:
      return false;
  }
}

function isWithin(name: GeneralName, base: GeneralName): boolean {
  if (name.kind === 'dns' && base.kind === 'dns') return isHostBelow(withoutWildcard(name.text), base.text);
  if (name.kind === 'email' && base.kind === 'email') return isMailboxWithin(name.text, base.text);
  if (name.kind === 'uri' && base.kind === 'uri') return isHostOf(uriHost(name.text) ?? '', base.text);
  if (name.kind === 'ip' && base.kind === 'ip') return isAddressWithin(name.bytes, base.bytes);
  return name.kind === 'directory' && base.kind === 'directory' && name.name.isWithin(base.name);
}

function withoutWildcard(dns: string): string {
  return dns.startsWith('*.') ? dns.slice(2) : dns;
}

/** `*.example.com` stands for `a.example.com` too, though it is not within it. */
function wildcardReaches(name: GeneralName, base: GeneralName): boolean {
  if (name.kind !== 'dns' || base.kind !== 'dns' || !name.text.startsWith('*.')) return false;
  const parent = base.text.slice(base.text.indexOf('.') + 1);
  return base.text.includes('.') && parent.toLowerCase() === withoutWildcard(name.text).toLowerCase();
}

/** The host itself or anything below it; the empty base contains every host. */
function isHostBelow(host: string, base: string): boolean {
  const [h, b] = [host.toLowerCase(), base.toLowerCase()];
  return b === '' || h === b || h.endsWith(`.${b}`);
}

/** A base with a leading dot means whatever lies below, any other the host itself. */
function isHostOf(host: string, base: string): boolean {
  const [h, b] = [host.toLowerCase(), base.toLowerCase()];
  return b.startsWith('.') ? h.endsWith(b) && h.length > b.length : h === b;
}

function isMailboxWithin(text: string, base: string): boolean {
  const mailbox = mailboxOf(text);
  if (mailbox === undefined) return false;
  const wanted = base.includes('@') ? mailboxOf(base) : undefined;
  if (wanted === undefined) return isHostOf(mailbox.host, base);
  return mailbox.local === wanted.local && mailbox.host.toLowerCase() === wanted.host.toLowerCase();
}

function mailboxOf(text: string): { readonly local: string; readonly host: string } | undefined {
  const at = text.lastIndexOf('@');
  const [local, host] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  return LOCAL_PART.test(local) && HOST.test(host) ? { local, host } : undefined;
}

/** The host of a URI with an authority; nothing for an address, user information or no authority. */
function uriHost(uri: string): string | undefined {
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#:@]+)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1];
  return host !== undefined && HOST.test(host) && !IPV4.test(host) ? host : undefined;
}

function isAddressWithin(address: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== address.length * 2) return false;
  return address.every((byte, i) => {
    const mask = base[address.length + i] ?? 0;
    return (byte & mask) === ((base[i] ?? 0) & mask);
  });
}

function printed(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
    case 'email':
    case 'uri':
      return `${name.kind} name \`${name.text}\``;
    case 'ip':
      return `address ${Buffer.from(name.bytes).toString('hex')}`;
    case 'directory':
      return `directory name \`${name.name.toString()}\``;
    case 'other':
    case 'registered-id':
    default:
      return `a name of kind ${name.kind}`;
  }
}
