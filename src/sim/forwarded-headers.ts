/**
 * What a sidecar does to the headers of a request before its policies and its application see them.
 *
 * A server's sidecar is the only one to say who the client is: `x-forwarded-client-cert` is taken off where the connection
 * is not mutual TLS, and gets an element of its own appended where it is (`forward_client_cert_details: APPEND_FORWARD`).
 * X-Forwarded-For goes through as it came; its right-most entry is the remote address of policies.
 *
 * Not modelled: tracing (traceparent and B3 headers go through as they are), `x-envoy-…` headers.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers
 * @module
 */
import { Certificate } from '../pki/index.ts';
import { type InboundConnection, type InboundHeaders, withHeader } from '../wire/index.ts';

export const CLIENT_CERTIFICATE = 'x-forwarded-client-cert';

const elements = new WeakMap<InboundConnection, string>();

/** The headers a server's sidecar works with. */
export function receivedHeaders(headers: InboundHeaders, connection: InboundConnection, self: string): InboundHeaders {
  const { peerCertificate } = connection;
  if (connection.security !== 'mutual_tls' || peerCertificate === undefined) return withoutClientCertificate(headers);
  let element = elements.get(connection);
  if (element === undefined) {
    element = clientCertificateElement(Certificate.fromDer(peerCertificate), self);
    elements.set(connection, element);
  }
  const before = headers[CLIENT_CERTIFICATE];
  const chain = before === undefined ? element : [before, element].flat().join(',');
  return withHeader(headers, CLIENT_CERTIFICATE, chain);
}

export function withoutClientCertificate<H extends InboundHeaders>(headers: H): H {
  if (headers[CLIENT_CERTIFICATE] === undefined) return headers;
  const { [CLIENT_CERTIFICATE]: _, ...others } = headers;
  return others as H;
}

/** One hop: who received (where it has a SPIFFE ID), what it was shown. */
export function clientCertificateElement(leaf: Certificate, self: string | undefined): string {
  const names = leaf.extensions.subjectAltName ?? [];
  const parts = [
    ...(self === undefined ? [] : [`By=${self}`]),
    `Hash=${leaf.fingerprint}`,
    `Subject="${leaf.subject.toString().replaceAll('"', '\\"')}"`,
  ];
  for (const name of names) if (name.kind === 'uri') parts.push(`URI=${name.text}`);
  for (const name of names) if (name.kind === 'dns') parts.push(`DNS=${name.text}`);
  return parts.join(';');
}

/** Lines with names in lower case; several lines of one name as a list. */
export function withChanges(
  headers: InboundHeaders,
  remove: readonly string[],
  add: readonly (readonly [name: string, value: string])[],
): InboundHeaders {
  if (remove.length === 0 && add.length === 0) return headers;
  const changed: Record<string, string | readonly string[]> = { ...headers };
  for (const name of remove) delete changed[name];
  for (const [name, value] of add) {
    const lower = name.toLowerCase();
    const before = changed[lower];
    if (before === undefined) changed[lower] = value;
    else changed[lower] = typeof before === 'string' ? [before, value] : [...before, value];
  }
  return changed;
}

/** Name, value, name, value, … */
export function headerLines(headers: InboundHeaders): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [name, value] : value.flatMap((line) => [name, line]),
  );
}
