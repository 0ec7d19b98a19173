/**
 * What istiod's webhook and the CRD refuse in a PeerAuthentication.
 * Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
 * @module
 */
import { quote } from './config-error.ts';
import { PORT_MAX, type Decoding } from './decode.ts';
import type { PeerAuthentication } from './peer-authentication.ts';
import { validateAnnotations, validateSelector } from './policy-target.ts';
import { isSelective } from './selector.ts';

export function validatePeerAuthentication(policy: PeerAuthentication, at: Decoding): void {
  const { selector, portLevelMtls } = policy.spec;
  validateAnnotations(policy.metadata.annotations, at);
  at.in('spec', () => {
    if (selector !== undefined) validateSelector(selector, at);
    if (portLevelMtls === undefined) return;
    const ports = Object.keys(portLevelMtls);
    if (ports.length === 0) at.fault('needs at least one port', 'portLevelMtls');
    if (ports.length > 0 && !isSelective(selector?.matchLabels)) {
      at.fault('ports can only be given together with a selector that has labels', 'portLevelMtls');
    }
    for (const port of ports) {
      if (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= PORT_MAX) continue;
      at.in('portLevelMtls', () => at.keyFault(port, `${quote(port)} is not a port from 1 to ${PORT_MAX}`));
    }
  });
}
