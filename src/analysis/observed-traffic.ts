/**
 * Calls that were seen in a running mesh, read from text: one a line, in any mixture of
 *
 * - `shop/frontend -> shop/orders:8080 plaintext` (the last word may be missing; `outside` is a caller nobody knows),
 * - a JSON object `{"from":"shop/frontend","to":"shop/orders:8080","plaintext":true,"count":12}`,
 * - the labels of Istio's `istio_requests_total` as a JSON object,
 * - a line of a server sidecar's JSON access log; with `downstream_peer_uri_san` in its format it tells the caller, too.
 *
 * Blank lines and lines that start with `#` are skipped, and so are access-log lines of the caller's side: they do not
 * say who called.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { parseWorkloadIdentity } from '../identity/spiffe-id.ts';

/** A caller without a name in the mesh. */
export const UNKNOWN_CALLER = 'outside';

export interface ObservedCall {
  /** `namespace/workload`, a SPIFFE ID, or `outside`. */
  readonly from: string;
  /** `namespace/workload`, `namespace/service`, or a host name. */
  readonly to: string;
  /** Of the workload or of the service. */
  readonly port?: number;
  /** Whether the call was seen to travel without mutual TLS; absent where the line does not say. */
  readonly plaintext?: boolean;
  readonly count: number;
  /** `traffic.jsonl:12` */
  readonly at?: string;
}

/** @throws MeshError `ERR_TRAFFIC_INVALID` with the line */
export function parseTraffic(text: string, file: string): readonly ObservedCall[] {
  return text.split('\n').flatMap((line, i) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    const reader = new LineReader(trimmed, `${file}:${i + 1}`);
    const call = trimmed.startsWith('{') ? reader.json() : reader.arrow();
    return call === undefined ? [] : [call];
  });
}

const ARROW = /^(\S+)\s*(?:->|→)\s*(\S+)(?:\s+(\S+))?$/;
const ENCRYPTION: Readonly<Record<string, boolean>> = { plaintext: true, plain: true, mtls: false, mutual_tls: false };
const KEYS: ReadonlySet<string> = new Set(['from', 'to', 'port', 'plaintext', 'count']);

class LineReader {
  readonly #line: string;
  readonly #at: string;

  constructor(line: string, at: string) {
    this.#line = line;
    this.#at = at;
  }

  #fail(why: string): MeshError {
    return new MeshError('ERR_TRAFFIC_INVALID', `${this.#at}: ${why}`);
  }

  arrow(): ObservedCall {
    const [, from, to, how] = ARROW.exec(this.#line) ?? [];
    if (from === undefined || to === undefined) {
      throw this.#fail(
        `expected \`namespace/caller -> namespace/server:port\` or a JSON object, not \`${this.#line}\``,
      );
    }
    const plaintext = how === undefined ? undefined : ENCRYPTION[how.toLowerCase()];
    if (how !== undefined && plaintext === undefined) {
      throw this.#fail(`expected \`plaintext\` or \`mtls\` behind the server, not \`${how}\``);
    }
    return this.#call({ from, to, plaintext, count: 1 });
  }

  json(): ObservedCall | undefined {
    let record: unknown;
    try {
      record = JSON.parse(this.#line);
    } catch {
      throw this.#fail('the line is no JSON object');
    }
    if (!isRecord(record)) throw this.#fail('the line is no JSON object');
    if ('destination_workload' in record || 'destination_service' in record) return this.#fromLabels(record);
    if ('upstream_cluster' in record || 'requested_server_name' in record) return this.#fromAccessLog(record);
    return this.#fromFields(record);
  }

  #fromFields(record: Readonly<Record<string, unknown>>): ObservedCall {
    for (const key of Object.keys(record)) {
      if (!KEYS.has(key)) throw this.#fail(`unknown key \`${key}\`: expected ${[...KEYS].join(', ')}`);
    }
    const { port, plaintext, count = 1 } = record;
    if (port !== undefined && !isPortNumber(port)) throw this.#fail('`port` takes a number from 1 to 65535');
    if (plaintext !== undefined && typeof plaintext !== 'boolean') throw this.#fail('`plaintext` takes true or false');
    if (typeof count !== 'number' || !(count >= 0)) throw this.#fail('`count` takes a number that is not negative');
    const to = this.#text(record, 'to');
    return this.#call({ from: this.#text(record, 'from'), to, port, plaintext, count });
  }

  /** `istio_requests_total{source_workload="…",destination_workload="…",connection_security_policy="none"}` */
  #fromLabels(record: Readonly<Record<string, unknown>>): ObservedCall | undefined {
    if (record['reporter'] === 'source') return undefined;
    const known = (key: string): string | undefined => {
      const value = record[key];
      return typeof value === 'string' && value !== '' && value !== 'unknown' ? value : undefined;
    };
    const [source, destination] = [known('source_workload'), known('destination_workload')];
    const service = known('destination_service');
    const to =
      destination === undefined ? service : `${known('destination_workload_namespace') ?? 'default'}/${destination}`;
    if (to === undefined) throw this.#fail('neither `destination_workload` nor `destination_service` is known');
    const from =
      source === undefined
        ? (known('source_principal') ?? UNKNOWN_CALLER)
        : `${known('source_workload_namespace') ?? 'default'}/${source}`;
    const security = known('connection_security_policy');
    return this.#call({ from, to, plaintext: security === undefined ? undefined : security === 'none', count: 1 });
  }

  #fromAccessLog(record: Readonly<Record<string, unknown>>): ObservedCall | undefined {
    const word = (key: string): string | undefined => {
      const value = record[key];
      return typeof value === 'string' && value !== '' && value !== '-' ? value : undefined;
    };
    if (word('upstream_cluster')?.startsWith('inbound|') !== true) return undefined;
    const name = word('requested_server_name');
    const to = name === undefined ? word('authority') : serverOf(name);
    // A raw connection in the clear names no server.
    if (to === undefined) return undefined;
    const caller = word('downstream_peer_uri_san');
    const plaintext = name === undefined && caller === undefined;
    return this.#call({ from: caller ?? UNKNOWN_CALLER, to, plaintext, count: 1 });
  }

  #text(record: Readonly<Record<string, unknown>>, key: string): string {
    const value = record[key];
    if (typeof value !== 'string' || value === '') throw this.#fail(`\`${key}\` takes a name`);
    return value;
  }

  #call(parts: {
    readonly from: string;
    readonly to: string;
    readonly port?: number | undefined;
    readonly plaintext: boolean | undefined;
    readonly count: number;
  }): ObservedCall {
    const { from, to, plaintext, count } = parts;
    const [, name = to, digits] = /^(.*?)(?::(\d+))?$/.exec(to) ?? [];
    const port = parts.port ?? (digits === undefined ? undefined : Number(digits));
    if (port !== undefined && !isPortNumber(port)) throw this.#fail(`no port from 1 to 65535 in \`${to}\``);
    if (from !== UNKNOWN_CALLER && !/^(?:spiffe:\/\/.+|[^/]+\/[^/]+)$/.test(from)) {
      throw this.#fail(`a caller is \`namespace/workload\`, a SPIFFE ID or \`${UNKNOWN_CALLER}\`, not \`${from}\``);
    }
    return {
      from,
      to: name,
      ...(port === undefined ? {} : { port }),
      ...(plaintext === undefined ? {} : { plaintext }),
      count,
      at: this.#at,
    };
  }
}

/** `outbound_.8080_._.orders.shop.svc.cluster.local` → host and port. */
function serverOf(name: string): string | undefined {
  const [, port, host] = /^outbound_\.(\d+)_\.[^_]*_\.(.+)$/.exec(name) ?? [];
  return host === undefined || port === undefined ? undefined : `${host}:${port}`;
}

function isPortNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `namespace/serviceAccount` of a SPIFFE ID of Istio's shape. */
export function accountOf(spiffeId: string): string | undefined {
  const identity = parseWorkloadIdentity(spiffeId);
  return identity === undefined ? undefined : `${identity.namespace}/${identity.serviceAccount}`;
}
