/**
 * Finds the rules that can match a request without looking at the others.
 *
 * Every rule is filed under the values of one list of its own that has to match for the rule to match: the list whose
 * values are rarest among all rules. Values are found again by hash (exact), by radix tree (prefix, suffix) or by
 * masked address (IPv4 blocks). Buckets that stay large are indexed again by the remaining lists.
 * @module
 */
// INVARIANT: the index only narrows. A rule it yields is still evaluated in full, and `first` is the lowest ordinal that
// matches whatever the order in which buckets are visited.
import { AffixTree } from './affix-tree.ts';
import { leadingBits, type IpAddress, type IpBlock } from './ip-address.ts';
import type { RequestView } from './request-view.ts';

/** Where the texts come from that are looked up: one attribute of a request, with none, one or several values. */
export interface TextSource {
  readonly id: string;
  /** Calls `probe` for each value and passes the lowest ordinal on. */
  probe(view: RequestView, index: TextIndex, best: number): number;
}

export interface AddressSource {
  readonly id: string;
  address(view: RequestView): IpAddress;
}

export type IndexKey = TextKey | BlockKey;

export interface TextKey {
  readonly form: 'exact' | 'prefix' | 'suffix';
  /** The same for the same key, so that equal keys of different rules meet. */
  readonly name: string;
  readonly source: TextSource;
  readonly text: string;
}

export interface BlockKey {
  readonly form: 'block';
  readonly name: string;
  readonly source: AddressSource;
  readonly block: IpBlock;
}

export function textKey(source: TextSource, form: TextKey['form'], text: string): TextKey {
  return { form, name: `${source.id}\n${form}\n${text}`, source, text };
}

export function blockKey(source: AddressSource, block: IpBlock): BlockKey {
  const { family, bits } = block;
  return { form: 'block', name: `${source.id}\n${family}/${bits}\n${leadingBits(block, bits)}`, source, block };
}

/** What is filed. `keySets`: of each, at least one key has to be hit, or the rule cannot match. */
export interface IndexedRule {
  readonly ordinal: number;
  readonly keySets: readonly (readonly IndexKey[])[];
  matches(view: RequestView): boolean;
}

/** No more rules than this are just tried in order. */
const LEAF_MAX = 6;
const DEPTH_MAX = 6;
export const NONE: number = Number.MAX_SAFE_INTEGER;

interface Entry {
  readonly rule: IndexedRule;
  readonly keySets: readonly (readonly IndexKey[])[];
}

export class RuleIndex {
  readonly #root: IndexNode;
  readonly #size: number;

  constructor(rules: readonly IndexedRule[]) {
    this.#size = rules.length;
    this.#root = buildNode(
      rules.map((rule) => ({ rule, keySets: rule.keySets })),
      0,
    );
  }

  /** The ordinal of the first rule that matches, or `NONE`. */
  first(view: RequestView): number {
    return this.#size === 0 ? NONE : this.#root.visit(view, NONE);
  }
}

class IndexNode {
  readonly #always: readonly IndexedRule[];
  readonly #texts: readonly TextIndex[];
  readonly #blocks: readonly BlockIndex[];
  readonly #leaf: boolean;

  constructor(always: readonly IndexedRule[], texts: readonly TextIndex[], blocks: readonly BlockIndex[]) {
    this.#always = always;
    this.#texts = texts;
    this.#blocks = blocks;
    this.#leaf = texts.length === 0 && blocks.length === 0;
  }

  visit(view: RequestView, known: number): number {
    let best = known;
    for (const rule of this.#always) {
      if (rule.ordinal >= best) break;
      if (rule.matches(view)) {
        best = rule.ordinal;
        break;
      }
    }
    if (this.#leaf) return best;
    for (const index of this.#texts) best = index.source.probe(view, index, best);
    for (const index of this.#blocks) best = index.probe(view, best);
    return best;
  }
}

/** All keys of one text attribute. */
export class TextIndex {
  readonly source: TextSource;
  readonly #exact: ReadonlyMap<string, IndexNode>;
  readonly #prefixes: AffixTree<IndexNode> | undefined;
  readonly #suffixes: AffixTree<IndexNode> | undefined;

  constructor(
    source: TextSource,
    exact: ReadonlyMap<string, IndexNode>,
    prefixes: ReadonlyMap<string, IndexNode>,
    suffixes: ReadonlyMap<string, IndexNode>,
  ) {
    this.source = source;
    this.#exact = exact;
    this.#prefixes = prefixes.size === 0 ? undefined : AffixTree.ofPrefixes(prefixes);
    this.#suffixes = suffixes.size === 0 ? undefined : AffixTree.ofSuffixes(suffixes);
  }

  probe(text: string, view: RequestView, known: number): number {
    let best = known;
    if (this.#exact.size > 0) {
      const node = this.#exact.get(text);
      if (node !== undefined) best = node.visit(view, best);
    }
    for (let at = this.#prefixes; at !== undefined; at = at.next(text)) {
      if (at.value !== undefined) best = at.value.visit(view, best);
    }
    for (let at = this.#suffixes; at !== undefined; at = at.next(text)) {
      if (at.value !== undefined) best = at.value.visit(view, best);
    }
    return best;
  }
}

/** All blocks of one length. */
interface BlocksOfLength {
  readonly family: 4 | 6;
  readonly bits: number;
  readonly nodes: Map<number | string, IndexNode>;
}

class BlockIndex {
  readonly #source: AddressSource;
  readonly #lengths: readonly BlocksOfLength[];

  constructor(source: AddressSource, lengths: readonly BlocksOfLength[]) {
    this.#source = source;
    this.#lengths = lengths;
  }

  probe(view: RequestView, known: number): number {
    let best = known;
    const address = this.#source.address(view);
    for (const { family, bits, nodes } of this.#lengths) {
      const node = family === address.family ? nodes.get(leadingBits(address, bits)) : undefined;
      if (node !== undefined) best = node.visit(view, best);
    }
    return best;
  }
}

interface Bucket {
  readonly key: IndexKey;
  readonly entries: Entry[];
}

function buildNode(entries: readonly Entry[], depth: number): IndexNode {
  if (entries.length <= LEAF_MAX || depth >= DEPTH_MAX) return new IndexNode(inOrder(entries), [], []);
  const frequency = new Map<string, number>();
  for (const { keySets } of entries) {
    for (const keys of keySets) {
      for (const { name } of keys) frequency.set(name, (frequency.get(name) ?? 0) + 1);
    }
  }
  const always: Entry[] = [];
  const buckets = new Map<string, Bucket>();
  for (const entry of entries) {
    const chosen = rarest(entry.keySets, frequency, entries.length / 2);
    if (chosen === undefined) {
      always.push(entry);
      continue;
    }
    const rest = { rule: entry.rule, keySets: entry.keySets.filter((keys) => keys !== chosen) };
    for (const key of chosen) {
      const bucket = buckets.get(key.name);
      if (bucket === undefined) buckets.set(key.name, { key, entries: [rest] });
      else if (bucket.entries.at(-1)?.rule !== entry.rule) bucket.entries.push(rest);
    }
  }
  return assemble(inOrder(always), [...buckets.values()], depth);
}

/** The key set whose most frequent key is least frequent; nothing where even that one is shared by too many. */
function rarest(
  keySets: readonly (readonly IndexKey[])[],
  frequency: ReadonlyMap<string, number>,
  tooMany: number,
): readonly IndexKey[] | undefined {
  let best: readonly IndexKey[] | undefined;
  let least = tooMany;
  for (const keys of keySets) {
    let cost = 0;
    for (const key of keys) {
      // An exact key is found by one look-up: it wins a tie.
      const handicap = key.form === 'exact' ? 0 : 0.5;
      cost = Math.max(cost, (frequency.get(key.name) ?? 0) + handicap);
    }
    if (cost < least) {
      best = keys;
      least = cost;
    }
  }
  return best;
}

function inOrder(entries: readonly Entry[]): readonly IndexedRule[] {
  return entries.map((entry) => entry.rule).sort((a, b) => a.ordinal - b.ordinal);
}

interface TextBuckets {
  readonly source: TextSource;
  readonly exact: Map<string, IndexNode>;
  readonly prefix: Map<string, IndexNode>;
  readonly suffix: Map<string, IndexNode>;
}

interface BlockBuckets {
  readonly source: AddressSource;
  readonly lengths: Map<string, BlocksOfLength>;
}

function assemble(always: readonly IndexedRule[], buckets: readonly Bucket[], depth: number): IndexNode {
  const texts = new Map<string, TextBuckets>();
  const blocks = new Map<string, BlockBuckets>();
  for (const { key, entries } of buckets) {
    const node = buildNode(entries, depth + 1);
    if (key.form === 'block') {
      const { family, bits } = key.block;
      const group: BlockBuckets = blocks.get(key.source.id) ?? { source: key.source, lengths: new Map() };
      blocks.set(key.source.id, group);
      const length = group.lengths.get(`${family}/${bits}`) ?? { family, bits, nodes: new Map() };
      group.lengths.set(`${family}/${bits}`, length);
      length.nodes.set(leadingBits(key.block, bits), node);
    } else {
      const group: TextBuckets = texts.get(key.source.id) ?? {
        source: key.source,
        exact: new Map(),
        prefix: new Map(),
        suffix: new Map(),
      };
      texts.set(key.source.id, group);
      group[key.form].set(key.text, node);
    }
  }
  return new IndexNode(
    always,
    [...texts.values()].map((group) => new TextIndex(group.source, group.exact, group.prefix, group.suffix)),
    [...blocks.values()].map((group) => new BlockIndex(group.source, [...group.lengths.values()])),
  );
}
