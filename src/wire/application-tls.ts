/**
 * TLS that an application starts by itself on a stream its sidecar carries.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { ConnectionSecurity } from '../core/index.ts';
import { connectTls } from './mutual-tls.ts';
import type { OutboundTls } from './outbound.ts';
import { secureContextOf } from './secure-context.ts';

export type ApplicationTlsAnswer =
  | { readonly ok: true; readonly stream: Duplex; readonly security: ConnectionSecurity; readonly tlsVersion: string }
  | { readonly ok: false; readonly stage: 'handshake' | 'verify'; readonly reason: string; readonly detail: string };

/** Begins TLS as a client on `over`; the stream is destroyed where it fails. */
export function startTls(over: Duplex, tls: OutboundTls): Promise<ApplicationTlsAnswer> {
  const credential = tls.identity();
  const context = secureContextOf(credential, tls);
  if (!context.ok) {
    over.destroy();
    return Promise.resolve({ ok: false, stage: 'handshake', reason: 'unusable_credential', detail: context.detail });
  }
  return new Promise((resolve) => {
    connectTls(
      {
        address: over,
        context: context.context,
        verifyServer: tls.verifyServer,
        ...(tls.sni !== undefined && { sni: tls.sni }),
        ...(tls.alpn !== undefined && { alpn: tls.alpn }),
      },
      (result, stream) => {
        if (!result.ok) over.destroy();
        const security = credential === undefined ? 'tls' : 'mutual_tls';
        resolve(result.ok ? { ok: true, stream, security, tlsVersion: result.facts.tlsVersion } : result);
      },
    );
  });
}
