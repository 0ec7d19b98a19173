/**
 * A radix tree over prefixes, or over suffixes: walks down along a text and meets every affix the text has, without
 * allocating.
 * @module
 */

interface Child<T> {
  readonly label: string;
  readonly node: AffixTree<T>;
}

export class AffixTree<T> {
  /** The value of the affix that ends here. */
  readonly value: T | undefined;
  readonly #depth: number;
  readonly #fromEnd: boolean;
  readonly #children: ReadonlyMap<number, Child<T>>;

  private constructor(entries: readonly (readonly [string, T])[], depth: number, fromEnd: boolean) {
    this.#depth = depth;
    this.#fromEnd = fromEnd;
    let value: T | undefined;
    const groups = new Map<number, (readonly [string, T])[]>();
    for (const entry of entries) {
      if (entry[0].length === depth) value = entry[1];
      else {
        const code = codeAt(entry[0], depth, fromEnd);
        const group = groups.get(code);
        if (group === undefined) groups.set(code, [entry]);
        else group.push(entry);
      }
    }
    this.value = value;
    const children = new Map<number, Child<T>>();
    for (const [code, group] of groups) {
      const end = commonEnd(group, depth, fromEnd);
      const sample = group[0]?.[0] ?? '';
      const label = fromEnd ? sample.slice(sample.length - end, sample.length - depth) : sample.slice(depth, end);
      children.set(code, { label, node: new AffixTree(group, end, fromEnd) });
    }
    this.#children = children;
  }

  static ofPrefixes<T>(entries: ReadonlyMap<string, T>): AffixTree<T> {
    return new AffixTree([...entries], 0, false);
  }

  static ofSuffixes<T>(entries: ReadonlyMap<string, T>): AffixTree<T> {
    return new AffixTree([...entries], 0, true);
  }

  /** One step down along `text`. */
  next(text: string): AffixTree<T> | undefined {
    if (this.#children.size === 0 || text.length <= this.#depth) return undefined;
    const child = this.#children.get(codeAt(text, this.#depth, this.#fromEnd));
    if (child === undefined) return undefined;
    const at = this.#fromEnd ? text.length - this.#depth - child.label.length : this.#depth;
    return at >= 0 && text.startsWith(child.label, at) ? child.node : undefined;
  }
}

/** The character after `depth` of them, counted from the start or from the end. */
function codeAt(text: string, depth: number, fromEnd: boolean): number {
  return text.charCodeAt(fromEnd ? text.length - 1 - depth : depth);
}

/** How many characters all entries of a group share, from `depth` on. */
function commonEnd(group: readonly (readonly [string, unknown])[], depth: number, fromEnd: boolean): number {
  const first = group[0]?.[0] ?? '';
  let end = first.length;
  for (const [text] of group) {
    let shared = depth;
    while (shared < end && shared < text.length && codeAt(text, shared, fromEnd) === codeAt(first, shared, fromEnd)) {
      shared++;
    }
    end = shared;
  }
  return end;
}
