/**
 * The kinds of the Kubernetes groups we read. A slip in one of their names would silently be no workload at all, so
 * what the API server would not know is refused; kinds of other groups are left alone.
 * @module
 */
import { didYouMean } from '../core/suggest.ts';
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import type { WorkloadKind } from './kubernetes.ts';

const CORE =
  'Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount List';
const GROUPS: ReadonlyMap<string, readonly string[]> = new Map([
  ['v1', CORE.split(' ')],
  ['apps/v1', ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet']],
  ['batch/v1', ['CronJob', 'Job']],
]);

const WORKLOADS: Readonly<Record<WorkloadKind, string>> = {
  Pod: 'v1',
  ReplicationController: 'v1',
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  DaemonSet: 'apps/v1',
  ReplicaSet: 'apps/v1',
  Job: 'batch/v1',
  CronJob: 'batch/v1',
};

export function isWorkloadKind(apiVersion: string, kind: string): kind is WorkloadKind {
  return Object.entries(WORKLOADS).some((entry) => entry[0] === kind && entry[1] === apiVersion);
}

const READ: ReadonlySet<string> = new Set(['Namespace', 'ServiceAccount', 'Service', 'Secret', 'ConfigMap']);

/** Whether the object is one of ours besides workloads. */
export function isCoreKind(apiVersion: string, kind: string): boolean {
  return apiVersion === 'v1' && READ.has(kind);
}

/** Old homes of kinds that moved to `apps` and `batch`. */
const RETIRED = /^(?:extensions|apps|batch)\/v\d+(?:alpha|beta)\d+$/;

/** Reports a kind or version that these groups do not have. */
export function checkKubernetesKind(apiVersion: string, kind: string, at: Decoding): void {
  const kinds = GROUPS.get(apiVersion);
  const home = [...GROUPS].find(([, names]) => names.includes(kind))?.[0];
  if (kinds === undefined) {
    if (home !== undefined && RETIRED.test(apiVersion)) {
      at.fault(`expected \`${home}\` for ${kind}, found ${quote(apiVersion)}`, 'apiVersion');
    }
    return;
  }
  if (kinds.includes(kind) || kind.endsWith('List')) return;
  if (home !== undefined) at.fault(`expected \`${home}\` for ${kind}, found ${quote(apiVersion)}`, 'apiVersion');
  else at.fault(`unknown kind ${quote(kind)} in ${apiVersion}${didYouMean(kind, kinds)}`, 'kind');
}
