/**
 * General names: the values of subject alternative names, and the bases of name constraints.
 *
 * Not interpreted: otherName, x400Address, ediPartyName, registeredID; they keep their kind, so that a constraint on
 * them is noticed. Text with control characters or beyond ASCII is refused: an IA5String holds neither sensibly, and a
 * NUL inside a name is an old attack.
 *
 * Source: RFC 5280 §4.2.1.6.
 * @module
 */
import { contextTag, type DerReader, encodingError, latin1 } from './der/reader.ts';
import { Name } from './name.ts';

export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly bytes: Uint8Array }
  | { readonly kind: 'directory'; readonly name: Name }
  | { readonly kind: 'other' | 'x400' | 'edi-party' | 'registered-id' };

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
  x400: contextTag(3, 'constructed'),
  directory: contextTag(4, 'constructed'),
  ediParty: contextTag(5, 'constructed'),
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
      return { kind: 'registered-id' };
    case CONSTRUCTED.other:
      return { kind: 'other' };
    case CONSTRUCTED.x400:
      return { kind: 'x400' };
    case CONSTRUCTED.directory:
      return { kind: 'directory', name: Name.fromDer(content) };
    case CONSTRUCTED.ediParty:
      return { kind: 'edi-party' };
    default:
      throw encodingError('general name: unknown kind');
  }
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
