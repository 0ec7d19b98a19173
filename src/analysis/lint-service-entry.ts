/**
 * ServiceEntries that contradict each other.
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
 * @module
 */
import type { ServiceEntry } from '../istio/index.ts';
import type { LintContext } from './lint-context.ts';

interface Declared {
  readonly entry: ServiceEntry;
  readonly port: number;
  /** In capitals; empty where the port is sniffed. */
  readonly protocol: string;
}

export function lintServiceEntries(context: LintContext): void {
  const byPort = new Map<string, Declared[]>();
  for (const entry of context.config.serviceEntries) {
    for (const host of entry.spec.hosts) {
      entry.spec.ports?.forEach(({ number, protocol = '' }, port) => {
        const key = `${host}:${number}`;
        byPort.set(key, [...(byPort.get(key) ?? []), { entry, port, protocol: protocol.toUpperCase() }]);
      });
    }
  }
  for (const [key, declared] of byPort) for (const mine of declared) lintProtocol(context, key, mine, declared);
}

function lintProtocol(context: LintContext, key: string, mine: Declared, all: readonly Declared[]): void {
  const other = all.find(({ entry, protocol }) => protocol !== mine.protocol && meet(entry, mine.entry));
  if (other === undefined) return;
  const { namespace, name } = other.entry.metadata;
  const message = `${key} is ${mine.protocol || 'sniffed'} here and ${other.protocol || 'sniffed'} in ServiceEntry ${namespace}/${name}`;
  context.report('MSH099', mine.entry, ['spec', 'ports', mine.port, 'protocol'], message);
}

/** Whether some namespace sees both. */
function meet(a: ServiceEntry, b: ServiceEntry): boolean {
  const [left, right] = [scopesOf(a), scopesOf(b)];
  if (left.has('~') || right.has('~')) return false;
  return left.has('*') || right.has('*') || [...left].some((namespace) => right.has(namespace));
}

function scopesOf({ spec, metadata }: ServiceEntry): ReadonlySet<string> {
  const { exportTo = [] } = spec;
  if (exportTo.length === 0) return new Set('*');
  return new Set(exportTo.map((scope) => (scope === '.' ? metadata.namespace : scope)));
}
