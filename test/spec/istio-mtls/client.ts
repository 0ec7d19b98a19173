/** Asks what a client's sidecar does, in one line. */
import { invariant } from '../../../src/core/index.ts';
import type { MeshConfig } from '../../../src/istio/index.ts';
import { compileClientTls, type ClientTls } from '../../../src/policy/client-tls.ts';
import { compileServiceRegistry } from '../../../src/policy/service-registry.ts';

/** The decisions of `from` (`ns/app`) for every endpoint of `host:port` or `host:port/subset`, in endpoint order. */
export function clientTls(config: MeshConfig, from: string, to: string): readonly ClientTls[] {
  const [namespace = '', app = ''] = from.split('/');
  const [address = '', subset] = to.split('/');
  const [host = '', portText = ''] = address.split(':');
  const port = Number(portText);
  const service = compileServiceRegistry(config).resolve(host, namespace);
  invariant(service, `no service ${host}`);
  const client = compileClientTls(config);
  const subject = { namespace, labels: { app } };
  const endpoints = service.endpoints(port);
  invariant(endpoints.length > 0, `no endpoints of ${to}`);
  return endpoints.map((endpoint) =>
    client.decide({ from: subject, service, port, endpoint, ...(subset === undefined ? {} : { subset }) }),
  );
}

/** The same as words: `istio_mutual by auto`, `plaintext by foo/httpbin`. */
export function modes(config: MeshConfig, from: string, to: string): readonly string[] {
  return clientTls(config, from, to).map(({ mode, determinedBy }) =>
    determinedBy === 'auto' ? `${mode} by auto` : `${mode} by ${determinedBy.namespace}/${determinedBy.name}`,
  );
}
