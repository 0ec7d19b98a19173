/**
 * What `istioctl proxy-config secret` says about a workload: the rows of its table, and the Envoy secrets dump behind
 * `-o json`. Data only; rendering belongs to the CLI.
 *
 * As in istioctl, a row looks at the first certificate of its secret alone, and VALID CERT compares its dates, nothing
 * else. A workload that has no certificate yet shows a warming secret without type. Private keys are never shown.
 * Source: istio `istioctl/pkg/writer/compare/sds`, Envoy `admin/v3/config_dump.proto` (`SecretsConfigDump`).
 * @module
 */
import { formatInstant, type Instant } from '../core/index.ts';
import type { Certificate } from './certificate.ts';
import { certificatesToPem, type Svid } from './svid.ts';

/** Names of the two secrets of every sidecar. */
export const WORKLOAD_SECRET = 'default';
export const ROOT_SECRET = 'ROOTCA';

export interface SecretRow {
  readonly resourceName: string;
  readonly type: 'Cert Chain' | 'CA' | '';
  readonly status: 'ACTIVE' | 'WARMING';
  readonly validCert: boolean;
  /** Hexadecimal, at least 32 digits; empty while warming. */
  readonly serialNumber: string;
  /** RFC 3339; empty while warming. */
  readonly notAfter: string;
  readonly notBefore: string;
}

export interface SecretSource {
  /** Absent while the workload waits for its first certificate. */
  readonly svid?: Svid;
  /** The roots it trusts. */
  readonly roots: readonly Certificate[];
  readonly at: Instant;
}

/** The rows of the table, in istioctl's order. */
export function secretRows({ svid, roots, at }: SecretSource): readonly SecretRow[] {
  return [rowOf(WORKLOAD_SECRET, 'Cert Chain', svid?.chain[0], at), rowOf(ROOT_SECRET, 'CA', roots[0], at)];
}

function rowOf(
  resourceName: string,
  type: 'Cert Chain' | 'CA',
  certificate: Certificate | undefined,
  at: Instant,
): SecretRow {
  if (certificate === undefined) {
    return {
      resourceName,
      type: '',
      status: 'WARMING',
      validCert: false,
      serialNumber: '',
      notAfter: '',
      notBefore: '',
    };
  }
  const { serial, notBefore, notAfter } = certificate;
  return {
    resourceName,
    type,
    status: 'ACTIVE',
    validCert: notBefore <= at && at <= notAfter,
    serialNumber: serial.padStart(SERIAL_DIGITS, '0'),
    notAfter: formatInstant(notAfter),
    notBefore: formatInstant(notBefore),
  };
}

const SERIAL_DIGITS = 32;

interface InlineBytes {
  /** Base64 of PEM. */
  readonly inlineBytes: string;
}

export interface SecretDumpEntry {
  readonly name: string;
  readonly versionInfo: string;
  readonly lastUpdated: string;
  readonly secret: {
    readonly '@type': string;
    readonly name: string;
    readonly tlsCertificate?: { readonly certificateChain: InlineBytes; readonly privateKey: InlineBytes };
    readonly validationContext?: { readonly trustedCa: InlineBytes };
  };
}

/** Envoy's `SecretsConfigDump`, as `-o json` prints it. */
export interface SecretsDump {
  readonly dynamicActiveSecrets: readonly SecretDumpEntry[];
  readonly dynamicWarmingSecrets?: readonly SecretDumpEntry[];
}

const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** The secrets dump. The version of a secret is the instant it was received, as the agent's is. */
export function secretsDump({ svid, roots, at }: SecretSource): SecretsDump {
  const updated = formatInstant(svid?.receivedAt ?? at);
  const entry = (name: string, content: Omit<SecretDumpEntry['secret'], '@type' | 'name'>): SecretDumpEntry => ({
    name,
    versionInfo: updated,
    lastUpdated: updated,
    secret: { '@type': SECRET_TYPE, name, ...content },
  });
  const active: SecretDumpEntry[] = [];
  const warming: SecretDumpEntry[] = [];
  if (svid === undefined) warming.push(entry(WORKLOAD_SECRET, {}));
  else {
    const tlsCertificate = {
      certificateChain: inline(certificatesToPem(svid.chain)),
      privateKey: inline('[redacted]'),
    };
    active.push(entry(WORKLOAD_SECRET, { tlsCertificate }));
  }
  if (roots.length === 0) warming.push(entry(ROOT_SECRET, {}));
  else active.push(entry(ROOT_SECRET, { validationContext: { trustedCa: inline(certificatesToPem(roots)) } }));
  return warming.length === 0
    ? { dynamicActiveSecrets: active }
    : { dynamicActiveSecrets: active, dynamicWarmingSecrets: warming };
}

function inline(text: string): InlineBytes {
  return { inlineBytes: Buffer.from(text).toString('base64') };
}
