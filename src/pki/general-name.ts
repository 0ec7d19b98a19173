/**
 * General names: the values of subject alternative names, and the bases of name constraints.
 *
 * Not interpreted: otherName and registeredID; they keep their kind, so that a constraint on them is noticed.
 * x400Address and ediPartyName are refused: nobody writes them, and what nobody reads should not pass. Text with control characters or beyond ASCII is refused: an IA5String holds neither sensibly, and a
 * NUL inside a name is an old attack.
 *
 * Source: RFC 5280 §4.2.1.6.
 * @module
 */
import { contextTag, DerReader, encodingError, latin1, oidOf, TAG } from './der/reader.ts';
import { Name } from './name.ts';

export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly bytes: Uint8Array }
  | { readonly kind: 'directory'; readonly name: Name }
  | { readonly kind: 'other' | 'registered-id' };

export type GeneralNameKind = GeneralName['kind'];

const PRIMITIVE = {
  email: contextTag(1, 'primitive'),
  dns: contextTag(2, 'primitive'),
  uri: contextTag(6, 'primitive'),
  ip: contextTag(7, 'primitive'),
  registeredId: contextTag(8, 'primitive'),
} as const;
const CONSTRUCTED = {
  other: contextTag(0, 'constructed'),
  directory: contextTag(4, 'constructed'),
} as const;

/**
 * Reads one general name. Lengths of IP addresses are for the caller: a constraint has twice an address's.
 * @throws MeshError `ERR_PKI_ENCODING`
 */
export function readGeneralName(reader: DerReader): GeneralName {
  const { tag, content } = reader.element();
  switch (tag) {
    case PRIMITIVE.email:
      return { kind: 'email', text: ia5Text(content) };
    case PRIMITIVE.dns:
      return { kind: 'dns', text: ia5Text(content) };
    case PRIMITIVE.uri:
      return { kind: 'uri', text: ia5Text(content) };
    case PRIMITIVE.ip:
      return { kind: 'ip', bytes: content };
    case PRIMITIVE.registeredId:
      oidOf(content, reader);
      return { kind: 'registered-id' };
    case CONSTRUCTED.other:
      checkOtherName(content);
      return { kind: 'other' };
    case CONSTRUCTED.directory:
      return { kind: 'directory', name: Name.fromDer(content) };
    default:
      throw encodingError('general name: unknown kind');
  }
}

/** Types an otherName's value may have besides those that are checked: their content needs none to be skipped. */
const OPAQUE_VALUES: readonly (number | undefined)[] = [
  TAG.utf8String,
  TAG.ia5String,
  TAG.printableString,
  TAG.octetString,
  TAG.sequence,
];

function checkOtherName(content: Uint8Array): void {
  const reader = new DerReader(content, 'other name');
  reader.oid();
  const value = reader.into(contextTag(0, 'constructed'));
  const tag = value.peek();
  if (tag === TAG.null) value.null();
  else if (tag === TAG.boolean) value.boolean();
  else if (tag === TAG.integer) value.integer();
  else if (tag === TAG.oid) value.oid();
  else if (OPAQUE_VALUES.includes(tag)) value.element();
  else throw value.fail('a value of an unknown type');
  value.end();
  reader.end();
}

/** GeneralNames: at least one. */
export function readGeneralNames(reader: DerReader): readonly GeneralName[] {
  const names: GeneralName[] = [];
  while (!reader.done) names.push(readGeneralName(reader));
  if (names.length === 0) throw reader.fail('no names');
  return names;
}

function ia5Text(content: Uint8Array): string {
  for (const byte of content) {
    if (byte < 0x20 || byte > 0x7e) throw encodingError('general name: character outside printable ASCII');
  }
  return latin1(content);
}
