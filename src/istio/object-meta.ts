/**
 * The head every Kubernetes object has: names as the API server accepts them, labels and annotations.
 * Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
 * @module
 */
import { quote } from './config-error.ts';
import { isPlainObject, mapOf, string, unknownField, type Decoder, type Decoding, type PlainObject } from './decode.ts';
import type { ObjectMeta } from './resource.ts';

/** Names of the fields of Kubernetes' ObjectMeta; those that decide nothing here are accepted and left out. */
const METADATA_FIELDS: ReadonlySet<string> = new Set([
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
]);

const NO_FIELDS: ReadonlySet<string> = new Set();
const FIELDS = [...METADATA_FIELDS].map((name) => [name, NO_FIELDS] as const);

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_MAX = 63;
const SUBDOMAIN_MAX = 253;

/** An RFC 1123 label, as namespaces and services must be named. */
export function isDnsLabel(text: string): boolean {
  return text.length <= LABEL_MAX && LABEL.test(text);
}

export function isDnsSubdomain(text: string): boolean {
  return text.length <= SUBDOMAIN_MAX && SUBDOMAIN.test(text);
}

/** Kubernetes takes a null for an empty string here. */
const text: Decoder<string> = (value, at) => (value === null ? '' : string(value, at));
export const labels: Decoder<Readonly<Record<string, string>>> = mapOf(text);

export interface MetadataOptions {
  readonly scope: 'namespace' | 'cluster';
  /** Unknown fields are errors. */
  readonly strict: boolean;
}

/** Decodes `metadata` of `object`. Gives something usable in every case, so that reading can go on. */
export function decodeMetadata(object: PlainObject, at: Decoding, options: MetadataOptions): ObjectMeta {
  const metadata = object['metadata'];
  if (!isPlainObject(metadata)) {
    at.fault('the field `metadata` is missing');
    return { name: '', namespace: '', labels: {}, annotations: {} };
  }
  return at.in('metadata', () => {
    if (options.strict) {
      for (const key of Object.keys(metadata)) if (!METADATA_FIELDS.has(key)) unknownField(key, FIELDS, at);
    }
    const optional = <T>(key: string, decode: Decoder<T>): T | undefined => {
      const value = metadata[key];
      return value === null || value === undefined ? undefined : at.in(key, () => decode(value, at));
    };
    const created = optional('creationTimestamp', string);
    return {
      name: decodeName(metadata, at),
      namespace: options.scope === 'cluster' ? '' : decodeNamespace(optional('namespace', string), at),
      labels: optional('labels', labels) ?? {},
      annotations: optional('annotations', labels) ?? {},
      ...(created === undefined ? {} : { creationTimestamp: created }),
    };
  });
}

/** A name that the API server is to complete with random letters stands for itself, without the dash before them. */
function decodeName(metadata: PlainObject, at: Decoding): string {
  const { name, generateName } = metadata;
  if ((name === null || name === undefined || name === '') && typeof generateName === 'string') {
    const start = generateName.replace(/[-.]+$/, '');
    if (isDnsSubdomain(start)) return start;
  }
  if (name === null || name === undefined || name === '') {
    at.fault('the field `name` is missing');
    return '';
  }
  const decoded = at.in('name', () => string(name, at));
  if (decoded !== undefined && !isDnsSubdomain(decoded)) {
    at.fault(`${quote(decoded)} is not a name: lower-case letters, digits, dashes and dots, at most 253`, 'name');
  }
  return decoded ?? '';
}

function decodeNamespace(namespace: string | undefined, at: Decoding): string {
  if (namespace === undefined || namespace === '') return 'default';
  if (!isDnsLabel(namespace)) {
    at.fault(`${quote(namespace)} is not a namespace: lower-case letters, digits and dashes, at most 63`, 'namespace');
  }
  return namespace;
}
