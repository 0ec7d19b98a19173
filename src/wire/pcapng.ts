/**
 * Writes pcapng: section header, interface, name resolution, TLS secrets and packets. What it is given, in order; it
 * knows nothing of connections.
 *
 * Source: draft-ietf-opsawg-pcapng §3–4 (block types, options), LINKTYPE_RAW of tcpdump.org/linktypes.html.
 * @module
 */

const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const NAME_RESOLUTION = 4;
const ENHANCED_PACKET = 6;
const DECRYPTION_SECRETS = 10;
/** Packets start with their IP header. */
const LINKTYPE_RAW = 101;
const SECRETS_TLS_KEY_LOG = 0x544c534b;
const OPTION_COMMENT = 1;
const OPTION_SECTION_APPLICATION = 4;
const OPTION_INTERFACE_NAME = 2;
const OPTION_INTERFACE_RESOLUTION = 9;
/** Timestamps count 10^-9 s. */
const NANOSECONDS = 9;
const RECORD_IPV4 = 1;

export interface Packet {
  /** Nanoseconds since the Unix epoch. */
  readonly at: bigint;
  readonly bytes: Uint8Array;
  readonly comment?: string;
}

export interface CaptureFile {
  readonly comment: string;
  readonly interfaceName: string;
  /** IPv4 addresses and what is there. */
  readonly names: ReadonlyMap<string, string>;
  /** Lines of an SSLKEYLOGFILE; absent: a capture that nobody can decrypt. */
  readonly keyLog?: Uint8Array;
  readonly packets: Iterable<Packet>;
}

export function encodePcapng(file: CaptureFile): Uint8Array {
  const blocks: Buffer[] = [sectionHeader(file.comment), interfaceDescription(file.interfaceName)];
  if (file.names.size > 0) blocks.push(nameResolution(file.names));
  // Before the packets: a reader decrypts as it goes.
  if (file.keyLog !== undefined && file.keyLog.length > 0) blocks.push(decryptionSecrets(file.keyLog));
  for (const packet of file.packets) blocks.push(enhancedPacket(packet));
  return Buffer.concat(blocks);
}

function block(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts.map(padded));
  const length = body.length + 12;
  return Buffer.concat([u32(type), u32(length), body, u32(length)]);
}

/** Everything is aligned to 32 bits. */
function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function option(code: number, value: Uint8Array): Buffer {
  return Buffer.concat([u16(code), u16(value.length), padded(value)]);
}

const END_OF_OPTIONS: Buffer = Buffer.alloc(4);

function sectionHeader(comment: string): Buffer {
  const versionAndLength = Buffer.concat([u32(BYTE_ORDER_MAGIC), u16(1), u16(0), Buffer.alloc(8, 0xff)]);
  return block(
    SECTION_HEADER,
    versionAndLength,
    option(OPTION_COMMENT, Buffer.from(comment)),
    option(OPTION_SECTION_APPLICATION, Buffer.from('meshproof')),
    END_OF_OPTIONS,
  );
}

function interfaceDescription(name: string): Buffer {
  return block(
    INTERFACE_DESCRIPTION,
    Buffer.concat([u16(LINKTYPE_RAW), u16(0), u32(0)]),
    option(OPTION_INTERFACE_NAME, Buffer.from(name)),
    option(OPTION_INTERFACE_RESOLUTION, Buffer.of(NANOSECONDS)),
    END_OF_OPTIONS,
  );
}

function nameResolution(names: ReadonlyMap<string, string>): Buffer {
  const records = [...names].map(([address, name]) => {
    const value = Buffer.concat([ipv4Bytes(address), Buffer.from(name), Buffer.of(0)]);
    return Buffer.concat([u16(RECORD_IPV4), u16(value.length), padded(value)]);
  });
  return block(NAME_RESOLUTION, ...records, END_OF_OPTIONS);
}

function decryptionSecrets(keyLog: Uint8Array): Buffer {
  return block(DECRYPTION_SECRETS, u32(SECRETS_TLS_KEY_LOG), u32(keyLog.length), keyLog);
}

function enhancedPacket({ at, bytes, comment }: Packet): Buffer {
  const head = Buffer.concat([
    u32(0),
    u32(Number(at >> 32n)),
    u32(Number(at & 0xffffffffn)),
    u32(bytes.length),
    u32(bytes.length),
  ]);
  const options = comment === undefined ? [] : [option(OPTION_COMMENT, Buffer.from(comment)), END_OF_OPTIONS];
  return block(ENHANCED_PACKET, head, bytes, ...options);
}

export function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}
