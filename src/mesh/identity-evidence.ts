/**
 * What a certificate, a root and a lost request are, as evidence: plain data for reports.
 * @module
 */
import { formatInstant } from '../core/index.ts';
import type { Certificate, Svid } from '../pki/index.ts';
import type { Outcome } from '../sim/index.ts';
import type { Mesh } from './mesh.ts';

/** A root of this mesh. */
export interface RootEvidence {
  /** `root 1`, `root 2`, … in the order they were made; `unknown root` for another mesh's. */
  readonly name: string;
  readonly serial: string;
  readonly subject: string;
  readonly notAfter: string;
}

export interface CertificateEvidence {
  readonly spiffeId: string;
  readonly serial: string;
  readonly issuer: string;
  /** Of the certificate that signed it. */
  readonly issuerSerial?: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** The root it leads to. */
  readonly root?: RootEvidence;
}

/** One end of a lost request. */
export interface EndEvidence {
  readonly workload: string;
  /** What its own clock showed. */
  readonly clock: string;
  readonly certificate?: CertificateEvidence;
  readonly trusts: readonly RootEvidence[];
}

/** The first request that was lost, with what both ends held at that instant. */
export interface LossEvidence {
  readonly at: string;
  /** Virtual time since the start. */
  readonly afterMs: number;
  readonly flow: string;
  readonly result: Outcome['result'];
  readonly status: number;
  readonly flags: string;
  /** Where and why it was refused, if it was. */
  readonly refusal?: { readonly side: 'client' | 'server'; readonly stage: string; readonly reason: string };
  readonly detail: string;
  readonly client: EndEvidence;
  readonly server: EndEvidence;
  /** The root that the refusing side would have needed. */
  readonly missingRoot?: RootEvidence;
}

export interface Loss {
  readonly flow: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  readonly afterMs: number;
}

export function lossEvidence(mesh: Mesh, loss: Loss): LossEvidence {
  const { outcome, flow, afterMs } = loss;
  const { refusal } = outcome;
  const client = endEvidence(mesh, loss.from);
  const server = endEvidence(mesh, loss.to);
  const [judge, judged] = refusal?.side === 'server' ? [server, client] : [client, server];
  const needed = judged.certificate?.root;
  const missing =
    refusal?.reason === 'untrusted_root' &&
    needed !== undefined &&
    !judge.trusts.some((r) => r.serial === needed.serial)
      ? needed
      : undefined;
  return {
    at: formatInstant(mesh.clock.now()),
    afterMs,
    flow,
    result: outcome.result,
    status: outcome.status,
    flags: outcome.flags,
    ...(refusal === undefined ? {} : { refusal: { side: refusal.side, stage: refusal.stage, reason: refusal.reason } }),
    detail: refusal?.detail ?? outcome.reason,
    client,
    server,
    ...(missing === undefined ? {} : { missingRoot: missing }),
  };
}

function endEvidence(mesh: Mesh, workload: string): EndEvidence {
  const agent = mesh.simulation.agent(workload);
  if (agent === undefined) return { workload, clock: formatInstant(mesh.clock.now()), trusts: [] };
  const svid = agent.current();
  return {
    workload,
    clock: formatInstant(agent.now()),
    ...(svid === undefined ? {} : { certificate: certificateEvidence(mesh, svid) }),
    trusts: agent.trusted.roots.map((root) => rootEvidence(mesh, root)),
  };
}

function certificateEvidence(mesh: Mesh, svid: Svid): CertificateEvidence {
  const [leaf, issuer] = svid.chain;
  const key = svid.chain.at(-1)?.extensions.authorityKeyId?.keyId;
  const root = mesh.simulation.ca.roots.find(({ extensions }) => extensions.subjectKeyId === key);
  return {
    spiffeId: svid.spiffeId,
    serial: svid.serial,
    issuer: leaf?.issuer.toString() ?? '',
    ...(issuer === undefined ? {} : { issuerSerial: issuer.serial }),
    notBefore: formatInstant(svid.notBefore),
    notAfter: formatInstant(svid.notAfter),
    ...(root === undefined ? {} : { root: rootEvidence(mesh, root) }),
  };
}

export function rootEvidence(mesh: Mesh, root: Certificate): RootEvidence {
  const { roots } = mesh.simulation.ca;
  // A root renewed with its key keeps its name.
  const index = roots.findIndex(({ extensions }) => extensions.subjectKeyId === root.extensions.subjectKeyId);
  return {
    name: index === -1 ? 'unknown root' : `root ${index + 1}`,
    serial: root.serial,
    subject: root.subject.toString(),
    notAfter: formatInstant(root.notAfter),
  };
}
