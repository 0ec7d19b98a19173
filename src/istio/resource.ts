/**
 * What every Kubernetes object has, and where in the text each of its values was written.
 * @module
 */

/** Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ResourceOrigin extends SourcePosition {
  /**
   * Where the value at `path` (`['spec', 'rules', 0]`) was written; the nearest enclosing value where that one was
   * not written at all.
   */
  position(path: readonly (string | number)[]): SourcePosition;
}

export interface ObjectMeta {
  readonly name: string;
  /** `default` where the manifest names none, as kubectl applies it; empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339, as the API server would have set it; manifests seldom carry it. */
  readonly creationTimestamp?: string;
}

/** A Kubernetes object of one kind. `origin` is absent on objects that were built by code. */
export interface Resource<Kind extends string, Spec> {
  readonly apiVersion: string;
  readonly kind: Kind;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  readonly origin?: ResourceOrigin;
}

export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

export interface PolicyTargetReference {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}
