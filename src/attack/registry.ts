/**
 * Every attack there is, in the order in which a class would meet them.
 * @module
 */
import { didYouMean, MeshError } from '../core/index.ts';
import { alpnDowngrade } from './alpn-downgrade.ts';
import type { Attack } from './attack.ts';
import { bitFlip } from './bit-flip.ts';
import { connectionHijack } from './connection-hijack.ts';
import { expiredCertificate } from './expired-certificate.ts';
import { otherAccount } from './other-account.ts';
import { plaintextDowngrade } from './plaintext-downgrade.ts';
import { rogueCa } from './rogue-ca.ts';
import { rogueClient } from './rogue-client.ts';
import { selfSigned } from './self-signed.ts';
import { sniffer } from './sniffer.ts';
import { spoofedHost, spoofedXfcc, spoofedXff } from './spoofed-header.ts';
import { stolenKey } from './stolen-key.ts';
import { ticketReplay } from './ticket-replay.ts';
import { versionDowngrade } from './version-downgrade.ts';

export const attacks: readonly Attack[] = [
  sniffer,
  rogueCa,
  selfSigned,
  otherAccount,
  expiredCertificate,
  rogueClient,
  stolenKey,
  ticketReplay,
  plaintextDowngrade,
  versionDowngrade,
  alpnDowngrade,
  bitFlip,
  connectionHijack,
  spoofedXfcc,
  spoofedXff,
  spoofedHost,
];

/** @throws MeshError `ERR_ATTACK` */
export function findAttack(name: string): Attack {
  const found = attacks.find((attack) => attack.name === name);
  if (found !== undefined) return found;
  const names = attacks.map((attack) => attack.name);
  throw new MeshError('ERR_ATTACK', `no attack \`${name}\`${didYouMean(name, names)}; there are ${names.join(', ')}`);
}
