/**
 * Istio's webhook configuration has one entry for each way a Pod can be asked about; the cases walk through them.
 * Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#controlling-the-injection-policy
 */
import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../../src/istio/index.ts';
import { decideInjection } from '../../../src/istio/injection.ts';

type Labels = Readonly<Record<string, string>>;
const INJECT = 'sidecar.istio.io/inject';
const [ENABLED, DISABLED] = [{ 'istio-injection': 'enabled' }, { 'istio-injection': 'disabled' }];
const REV = { 'istio.io/rev': 'canary' };

interface Case {
  readonly namespace: Labels;
  readonly pod?: Labels;
  readonly annotations?: Labels;
  readonly hostNetwork?: boolean;
  readonly name?: string;
  readonly injected: boolean;
}

const CASES: readonly Case[] = [
  { namespace: {}, injected: false },
  { namespace: ENABLED, injected: true },
  { namespace: DISABLED, injected: false },
  { namespace: { 'istio-injection': '' }, pod: { [INJECT]: 'true' }, injected: false },
  { namespace: ENABLED, pod: { [INJECT]: 'false' }, injected: false },
  { namespace: ENABLED, pod: { [INJECT]: 'maybe' }, injected: true },
  { namespace: ENABLED, annotations: { [INJECT]: 'false' }, injected: false },
  { namespace: ENABLED, annotations: { [INJECT]: 'true' }, injected: true },
  { namespace: ENABLED, pod: { [INJECT]: 'true' }, annotations: { [INJECT]: 'false' }, injected: true },
  { namespace: ENABLED, pod: { [INJECT]: 'false' }, annotations: { [INJECT]: 'true' }, injected: false },
  { namespace: {}, pod: { [INJECT]: 'true' }, injected: true },
  { namespace: {}, pod: { [INJECT]: 'True' }, injected: false },
  // The webhook is not even asked: the annotation of such a Pod is never read.
  { namespace: {}, annotations: { [INJECT]: 'true' }, injected: false },
  { namespace: DISABLED, pod: { [INJECT]: 'true' }, injected: false },
  { namespace: REV, injected: true },
  { namespace: { 'istio.io/rev': '' }, pod: { [INJECT]: 'true' }, injected: false },
  { namespace: { ...DISABLED, ...REV }, injected: false },
  { namespace: { ...ENABLED, ...REV }, injected: true },
  { namespace: {}, pod: REV, injected: true },
  { namespace: {}, pod: { ...REV, [INJECT]: 'false' }, injected: false },
  { namespace: ENABLED, hostNetwork: true, injected: false },
  { namespace: ENABLED, name: 'kube-system', injected: false },
];

describe('injection', () => {
  it.each(CASES)('%j', ({ namespace, pod = {}, annotations = {}, hostNetwork = false, name = 'x', injected }) => {
    const decided = decideInjection({
      namespace: name,
      namespaceLabels: namespace,
      labels: pod,
      annotations,
      hostNetwork,
    });
    expect(decided.injected).toBe(injected);
    expect(decided.reason).not.toBe('');
  });
});

describe('a Pod that holds a sidecar already', () => {
  const pod = (containers: string, more = ''): string => `apiVersion: v1
kind: Pod
metadata: { name: a, namespace: plain }
spec:
  containers:
  - { name: a, ports: [{ containerPort: 8080 }] }
${containers}${more}`;
  const read = (text: string) => parseManifests(text).workloads[0];

  it.each([
    [
      'as istioctl kube-inject writes it',
      '  - { name: istio-proxy, image: proxyv2, ports: [{ containerPort: 15090 }] }\n',
    ],
    [
      'as a native sidecar',
      '  initContainers:\n  - { name: istio-proxy, image: proxyv2, restartPolicy: Always, ports: [{ containerPort: 15090 }] }\n',
    ],
  ])('counts as injected, and the ports of the proxy are not the application’s: %s', (_, containers) => {
    const workload = read(pod(containers));
    expect(workload).toMatchObject({ injected: true, injectionReason: 'the Pod has a container istio-proxy' });
    expect(workload?.ports.map(({ number }) => number)).toEqual([8080]);
  });

  it.each([
    ['an init container that ends', '  initContainers:\n  - { name: istio-proxy, image: proxyv2 }\n'],
    ['an image the webhook is to fill in', '  - { name: istio-proxy, image: auto }\n'],
  ])('does not count with %s', (_, containers) => {
    expect(read(pod(containers))?.injected).toBe(false);
  });
});
