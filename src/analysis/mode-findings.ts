/**
 * Servers whose mutual-TLS mode changes, whatever the policies behind make of it.
 * @module
 */
import type { EffectiveMtlsMode } from '../policy/peer-authentication.ts';
import type { Finding } from './finding.ts';
import { destinationOf, hostOf, targetOf } from './finding-target.ts';
import { OTHER_PORT, type MeshSide, type SideDecision, type Subject } from './mesh-side.ts';
import type { Witness } from './witness.ts';

/** A server without a sidecar ends no mutual TLS at all. */
type ServerMode = EffectiveMtlsMode | 'impossible (no sidecar)';

const STRENGTH: Readonly<Record<ServerMode, number>> = {
  'impossible (no sidecar)': -1,
  DISABLE: 0,
  PERMISSIVE: 1,
  STRICT: 2,
};

interface Server {
  readonly side: MeshSide;
  readonly subject: Subject | undefined;
}

/** At most one finding; its witness is a caller without identity. */
export function modeFindings(before: Server, after: Server, port: number): readonly Finding[] {
  const [was, is] = [before.subject, after.subject];
  if (was === undefined || is === undefined) return [];
  const modes = { before: modeOf(before.side, was, port), after: modeOf(after.side, is, port) };
  if (modes.before === modes.after) return [];
  const witness: Witness = {
    request: {
      destination: destinationOf(is, port),
      source: {},
      request: { method: 'GET', host: hostOf(is), path: '/' },
    },
    verdicts: {},
  };
  const decide = (side: MeshSide, subject: Subject): SideDecision => {
    const protocol = side.ports(subject).get(port) ?? 'unknown';
    const setup = side.setup(subject, port, protocol);
    const { decision, reason } = side.decide(subject, setup, 'http', witness);
    if (!subject.injected) return { decision, reason };
    // The mode is what changed: what sets it is named, and not what decides about the witness behind it.
    const words = setup.mode === 'STRICT' ? reason : `${reason}; mutual TLS is ${setup.mode}`;
    if (setup.modeBy === undefined) return { decision, reason: words };
    const at = side.positionOf(setup.modeBy);
    return { decision, reason: words, by: setup.modeBy, ...(at === undefined ? {} : { at }) };
  };
  return [
    {
      kind: STRENGTH[modes.after] < STRENGTH[modes.before] ? 'mtls-weakened' : 'mtls-strengthened',
      targets: [targetOf(is, port)],
      summary: `mutual TLS ${modes.before} becomes ${modes.after}`,
      requests: { caller: 'plaintext callers' },
      traffic: 'http',
      witness: witness.request,
      verdicts: {},
      before: decide(before.side, was),
      after: decide(after.side, is),
    },
  ];
}

function modeOf(side: MeshSide, subject: Subject, port: number): ServerMode {
  if (!subject.injected) return 'impossible (no sidecar)';
  return side.peers.of(subject, port === OTHER_PORT ? undefined : port).mode;
}
