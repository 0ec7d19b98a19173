/**
 * istiod's watch over its self-signed root: it looks once an hour, the first time after a random part of an hour, and
 * renews the root with the same key when little of its life is left. An hour in which nothing is due costs nothing here:
 * the look that will find the root due is planned directly.
 *
 * Source: istio `security/pkg/pki/ca/selfsignedcarootcertrotator.go`.
 * @module
 */
import { addMs, HOUR_MS, type Instant, type Rng } from '../core/index.ts';
import { ROOT_GRACE_RATIO } from '../pki/index.ts';
import type { MeshCa } from './mesh-ca.ts';
import type { Timer, VirtualClock } from './virtual-clock.ts';

/** CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL */
const CHECK_INTERVAL_MS = HOUR_MS;

/** Dispose to stop watching. */
export function watchRoot(ca: MeshCa, clock: VirtualClock, rng: Rng): Disposable {
  const firstLook = addMs(clock.now(), rng.next() * CHECK_INTERVAL_MS);
  let timer: Timer | undefined;
  const plan = (): void => {
    timer = clock.schedule(lookAfter(dueOf(ca), firstLook), () => {
      if (ca.available && clock.now() >= dueOf(ca)) ca.renewRoot();
      // An istiod that is down looks when it is back.
      if (ca.available) plan();
      else timer = clock.schedule(addMs(clock.now(), CHECK_INTERVAL_MS), plan);
    });
  };
  plan();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}

function dueOf(ca: MeshCa): Instant {
  const { notBefore, notAfter } = ca.root.certificate;
  return addMs(notAfter, -Math.floor(ROOT_GRACE_RATIO * (notAfter - notBefore)));
}

/** The first of the hourly looks that finds `due` past. */
function lookAfter(due: Instant, firstLook: Instant): Instant {
  if (due <= firstLook) return firstLook;
  return addMs(firstLook, Math.ceil((due - firstLook) / CHECK_INTERVAL_MS) * CHECK_INTERVAL_MS);
}
