/**
 * The gateways of a scenario: their certificates read, or made for the names they are to have.
 * @module
 */
import { isAbsolute, join } from 'node:path';
import { addMs, DAY_MS, type Instant, MeshError } from '../core/index.ts';
import { createForeignCertificate } from '../pki/index.ts';
import type { GatewayOption, GatewayTable } from '../sim/index.ts';
import { definedOnly } from './defined-only.ts';
import { readBeside } from './scenario-file.ts';
import type { GatewayFile } from './scenario-schema.ts';

/** As long as public certificates are good for, and then some: these are nobody's public certificates. */
const LIFE_MS = 10 * 365 * DAY_MS;

/** @throws MeshError `ERR_SCENARIO_INVALID` */
export async function scenarioGateways(
  gateways: Readonly<Record<string, GatewayFile>>,
  { folder, start }: { readonly folder: string; readonly start: Instant },
): Promise<GatewayTable> {
  const made = Object.entries(gateways).map(async ([name, { routes, tls, trustedProxies }]) => {
    const option: GatewayOption = {
      routes: routes.map((route) => definedOnly(route)),
      ...(tls && { tls: await tlsOf(name, tls, { folder, start }) }),
      ...(trustedProxies !== undefined && { trustedProxies }),
    };
    return [name, option] as const;
  });
  return Object.fromEntries(await Promise.all(made));
}

async function tlsOf(
  name: string,
  { hosts, certificate, key, clientRoots }: NonNullable<GatewayFile['tls']>,
  { folder, start }: { readonly folder: string; readonly start: Instant },
): Promise<NonNullable<GatewayOption['tls']>> {
  const read = (file: string): Promise<string> => readBeside(isAbsolute(file) ? file : join(folder, file), file);
  const roots = clientRoots === undefined ? {} : { clientRoots: await read(clientRoots) };
  if (certificate !== undefined && key !== undefined && hosts === undefined)
    return { cert: await read(certificate), key: await read(key), ...roots };
  if (hosts === undefined || certificate !== undefined || key !== undefined) {
    throw new MeshError(
      'ERR_SCENARIO_INVALID',
      `gateways.${name}.tls: expected \`hosts\`, for which a certificate is made, or \`certificate\` and \`key\``,
    );
  }
  const [commonName = ''] = hosts;
  const own = await createForeignCertificate({
    commonName: commonName.replace(/^\*\./, ''),
    dnsNames: hosts,
    notBefore: addMs(start, -DAY_MS),
    notAfter: addMs(start, LIFE_MS),
  });
  return { cert: own.certificate.toPem(), key: own.key.privateKeyPem(), ...roots };
}
