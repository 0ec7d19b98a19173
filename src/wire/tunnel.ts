/**
 * A tunnel through a workload's outbound port, as an application opens one with CONNECT.
 * @module
 */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { MeshError } from '../core/index.ts';
import type { Address } from './address-book.ts';

/** @throws MeshError `ERR_REQUEST_INVALID` when there is no way to `authority` */
export function openTunnel({ host, port }: Address, authority: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const connecting = request({ host, port, method: 'CONNECT', path: authority, agent: false });
    connecting.once('connect', (response, stream, head) => {
      if (response.statusCode !== 200) {
        stream.destroy();
        reject(new MeshError('ERR_REQUEST_INVALID', `no tunnel to \`${authority}\`: status ${response.statusCode}`));
        return;
      }
      if (head.length > 0) stream.unshift(head);
      resolve(stream);
    });
    connecting.once('error', reject);
    connecting.end();
  });
}
