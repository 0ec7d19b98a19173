/**
 * Which URLs lead to the API gateway.
 * @module
 */

/** The gateway's host in the shop of the scenarios. */
export const DEFAULT_GATEWAY_HOSTS: readonly string[] = ['api-gateway.internal'];

/** Whether a URL's host is a gateway: `host` for any port, `host:port` for one. */
export function isGateway(url: URL, gatewayHosts: readonly string[]): boolean {
  const host = bare(url.hostname);
  const port = url.port === '' ? (url.protocol === 'http:' ? '80' : '443') : url.port;
  return gatewayHosts.some((gateway) => {
    const [, name = '', gatewayPort] = /^(.*?)(?::(\d+))?$/.exec(gateway) ?? [];
    return bare(name) === host && (gatewayPort === undefined || gatewayPort === port);
  });
}

function bare(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** Whether the path as written holds `.` or `..` segments, which URL parsing resolves silently. */
export function hasDotSegments(url: string): boolean {
  const path = /^[a-z][a-z0-9+.-]*:[/\\]*[^/\\?#]*([^?#]*)/i.exec(url)?.[1] ?? '';
  return path.split(/[/\\]/).some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
}
