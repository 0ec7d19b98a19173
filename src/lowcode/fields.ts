/**
 * Reading the fields of one mapping, remembering which were read, so that what is left over is either refused with a
 * suggestion (formats we define) or reported as ignored (formats of others).
 * @module
 */
import { didYouMean, suggest } from '../core/index.ts';
import type { SourcePosition } from '../istio/index.ts';
import { type DocumentEntry, type DocumentMap, type DocumentNode, invalid } from './document.ts';
import type { Ignored } from './model.ts';

export class Fields {
  readonly position: SourcePosition;
  readonly what: string;
  readonly #map: DocumentMap;
  readonly #known = new Set<string>();

  /** @throws MeshError `ERR_LOWCODE_INVALID` unless `node` is a mapping */
  constructor(node: DocumentNode, what: string) {
    if (node.kind !== 'map') throw invalid(`${what} must be a mapping`, node.position);
    this.#map = node;
    this.position = node.position;
    this.what = what;
  }

  has(name: string): boolean {
    return this.#map.entries.some(({ key }) => key === name);
  }

  entry(name: string): DocumentEntry | undefined {
    this.#known.add(name);
    return this.#map.entries.find(({ key }) => key === name);
  }

  get(name: string): DocumentNode | undefined {
    return this.entry(name)?.value;
  }

  need(name: string): DocumentNode {
    const node = this.get(name);
    if (node === undefined) {
      const slip = suggest(
        name,
        this.#rest().map(({ key }) => key),
      );
      const hint = slip === undefined ? '' : `; \`${slip}\` looks like it`;
      throw invalid(`${this.what} has no \`${name}\`${hint}`, this.position);
    }
    return node;
  }

  text(name: string): string | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    if (node.kind !== 'scalar' || typeof node.value !== 'string') {
      throw invalid(`\`${name}\` of ${this.what} must be text`, node.position);
    }
    return node.value;
  }

  needText(name: string): string {
    this.need(name);
    return this.text(name) ?? '';
  }

  integer(name: string, min: number, max: number): number | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    const value = node.kind === 'scalar' ? node.value : undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw invalid(`\`${name}\` of ${this.what} must be an integer from ${min} to ${max}`, node.position);
    }
    return value;
  }

  list(name: string): readonly DocumentNode[] {
    const node = this.get(name);
    if (node === undefined) return [];
    if (node.kind !== 'list') throw invalid(`\`${name}\` of ${this.what} must be a list`, node.position);
    return node.items;
  }

  entries(name: string): readonly DocumentEntry[] {
    const node = this.get(name);
    if (node === undefined || (node.kind === 'scalar' && node.value === null)) return [];
    if (node.kind !== 'map') throw invalid(`\`${name}\` of ${this.what} must be a mapping`, node.position);
    return node.entries;
  }

  /** Fields without meaning for a mesh, such as an icon or a version, need no report. */
  skip(...names: readonly string[]): void {
    for (const name of names) this.#known.add(name);
  }

  refuseRest(): void {
    const [entry] = this.#rest();
    if (entry === undefined) return;
    const hint = didYouMean(entry.key, this.#known);
    throw invalid(`unknown field \`${entry.key}\` in ${this.what}${hint}`, entry.keyPosition);
  }

  ignoreRest(into: Ignored[]): void {
    for (const { key, keyPosition } of this.#rest())
      into.push({ what: `\`${key}\` of ${this.what}`, where: keyPosition });
  }

  #rest(): readonly DocumentEntry[] {
    return this.#map.entries.filter(({ key }) => !this.#known.has(key));
  }
}
