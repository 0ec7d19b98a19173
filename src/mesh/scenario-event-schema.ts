/**
 * The shape of a scenario's `events:`. Everything an entry names happens at its instant, in the order of the keys below.
 * Unknown keys are errors.
 * @module
 */
import * as z from 'zod/mini';
import { parseDuration } from '../core/index.ts';
import type { IdentityAction, TrustNews } from './identity-action.ts';

type Switch = 'on' | 'off';
type RootChange = 'distribute' | 'switch' | 'drop' | 'restore' | 'renew';

/** How a workload's certificate requests fare. */
export interface CsrFile {
  /** From the request to the answer; the agent gives up after ten seconds. */
  readonly latency?: string | undefined;
  /** Every request is refused, for this reason. */
  readonly refuse?: string | undefined;
}

export interface EventFile {
  /** Virtual time from the start. */
  readonly at: string;
  readonly note?: string | undefined;
  /** Manifest files with policies to apply, as `kubectl apply`. */
  readonly apply?: string | readonly string[] | undefined;
  /** Policies to delete. */
  readonly remove?:
    | readonly { readonly kind: string; readonly namespace?: string | undefined; readonly name: string }[]
    | undefined;
  /** Renewal of certificates, of all workloads or by `namespace/workload`. */
  readonly rotation?: Switch | Readonly<Record<string, Switch>> | undefined;
  /** Whether the certificate authority answers. */
  readonly ca?: 'up' | 'down' | undefined;
  /** How certificate requests fare from now on, by `namespace/workload`. */
  readonly csr?: Readonly<Record<string, CsrFile>> | undefined;
  /**
   * A step of root rotation: `distribute` (give out the new root beside the old), `switch` (sign under it), `drop` (give
   * out the new one alone), `restore` (give out all again), `renew` (same key, new dates). `news` says how workloads
   * hear of it: with their next certificate (`renewal`), by a `push`, or by `push-and-renew`.
   */
  readonly root?: RootChange | { readonly step: RootChange; readonly news?: TrustNews | undefined } | undefined;
  /** `renew`: another intermediate under the same root. */
  readonly intermediate?: 'renew' | undefined;
  /** The mesh's trust domain and its aliases from now on; workloads get it with their next certificate. */
  readonly trustDomain?: { readonly name: string; readonly aliases?: readonly string[] | undefined } | undefined;
  /** What workloads' clocks show more than they ought to, by `namespace/workload`; negative: less. */
  readonly skew?: Readonly<Record<string, string>> | undefined;
  /** New certificates now, for `all` or for these workloads. */
  readonly renew?: 'all' | readonly string[] | undefined;
  /** Revokes the certificates these workloads hold; from then on revocation lists are checked. */
  readonly revoke?: readonly string[] | undefined;
}

/** `12ms`, `24h`, `1h30m` */
export const duration: z.ZodMiniString = z
  .string()
  .check(z.regex(/^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$|^0$/, 'expected a duration such as 24h, 1h30m or 250ms'));

export const csr: z.ZodMiniType<CsrFile> = z.strictObject({
  latency: z.optional(duration),
  refuse: z.optional(z.string()),
});

const onOff = z.enum(['on', 'off']);
const rootChange = z.enum(['distribute', 'switch', 'drop', 'restore', 'renew']);

export const event: z.ZodMiniType<EventFile> = z.strictObject({
  at: duration,
  note: z.optional(z.string()),
  apply: z.optional(z.union([z.string(), z.array(z.string())])),
  remove: z.optional(
    z.array(z.strictObject({ kind: z.string(), namespace: z.optional(z.string()), name: z.string() })),
  ),
  rotation: z.optional(z.union([onOff, z.record(z.string(), onOff)])),
  ca: z.optional(z.enum(['up', 'down'])),
  csr: z.optional(z.record(z.string(), csr)),
  root: z.optional(
    z.union([
      rootChange,
      z.strictObject({ step: rootChange, news: z.optional(z.enum(['renewal', 'push', 'push-and-renew'])) }),
    ]),
  ),
  intermediate: z.optional(z.enum(['renew'])),
  trustDomain: z.optional(z.strictObject({ name: z.string(), aliases: z.optional(z.array(z.string())) })),
  skew: z.optional(z.record(z.string(), duration)),
  renew: z.optional(z.union([z.literal('all'), z.array(z.string())])),
  revoke: z.optional(z.array(z.string())),
});

/** What an event does to identities, in the order it happens. */
export function identityActionsOf(file: EventFile): readonly IdentityAction[] {
  const actions: IdentityAction[] = [];
  const { rotation, ca, root, trustDomain, renew, revoke } = file;
  if (typeof rotation === 'string') actions.push({ kind: 'rotation', workloads: 'all', on: rotation === 'on' });
  else if (rotation !== undefined) {
    for (const [name, state] of Object.entries(rotation))
      actions.push({ kind: 'rotation', workloads: [name], on: state === 'on' });
  }
  if (ca !== undefined) actions.push({ kind: 'ca', available: ca === 'up' });
  for (const [name, { latency, refuse }] of Object.entries(file.csr ?? {})) {
    const latencyMs = latency === undefined ? 0 : parseDuration(latency);
    actions.push({
      kind: 'csr',
      workloads: [name],
      latencyMs,
      ...(refuse === undefined ? {} : { refusal: refuse }),
    });
  }
  if (typeof root === 'string') actions.push({ kind: 'root', step: root });
  else if (root !== undefined) {
    const { step, news } = root;
    actions.push({ kind: 'root', step, ...(news === undefined ? {} : { news }) });
  }
  if (file.intermediate !== undefined) actions.push({ kind: 'intermediate' });
  if (trustDomain !== undefined)
    actions.push({ kind: 'trust-domain', trustDomain: trustDomain.name, aliases: trustDomain.aliases ?? [] });
  for (const [name, skew] of Object.entries(file.skew ?? {}))
    actions.push({ kind: 'clock', workloads: [name], skewMs: parseDuration(skew) });
  if (renew !== undefined) actions.push({ kind: 'renew', workloads: renew });
  if (revoke !== undefined) actions.push({ kind: 'revoke', workloads: revoke });
  return actions;
}
