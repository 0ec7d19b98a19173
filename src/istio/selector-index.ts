/**
 * Selections without asking everything about everything: what selects given labels, and what has the labels that a
 * selector asks for. Answers keep the order of the items.
 * @module
 */
import { selects } from './selector.ts';

type Labels = Readonly<Record<string, string>>;

/** One item and what selects it, or what it selects. */
export interface Placed {
  readonly namespace: string;
  /** A selector, or the labels to select by; absent: a selector that chooses everything. */
  readonly labels: Labels | undefined;
}

/** Items with selectors, to be found by the labels of what they select. */
export class SelectorIndex<T> {
  readonly #items: readonly T[];
  readonly #placeOf: (item: T) => Placed;
  readonly #byKey = new Map<string, number[]>();
  readonly #namespaces = new Set<string>();

  constructor(items: readonly T[], placeOf: (item: T) => Placed) {
    this.#items = items;
    this.#placeOf = placeOf;
    items.forEach((item, order) => {
      const { namespace, labels } = placeOf(item);
      this.#namespaces.add(namespace);
      const [first] = Object.entries(labels ?? {});
      add(this.#byKey, first === undefined ? everything(namespace) : keyOf(namespace, first), order);
    });
  }

  /** Items of the namespace whose selector chooses something with these labels. */
  selecting(namespace: string, labels: Labels): readonly T[] {
    if (!this.#namespaces.has(namespace)) return [];
    const orders = [...(this.#byKey.get(everything(namespace)) ?? [])];
    for (const label of Object.entries(labels)) orders.push(...(this.#byKey.get(keyOf(namespace, label)) ?? []));
    return pick(this.#items, orders, (item) => selects(this.#placeOf(item).labels, labels));
  }
}

/** Items with labels, to be found by a selector. */
export class LabelIndex<T> {
  readonly #items: readonly T[];
  readonly #placeOf: (item: T) => Placed;
  readonly #byKey = new Map<string, number[]>();

  constructor(items: readonly T[], placeOf: (item: T) => Placed) {
    this.#items = items;
    this.#placeOf = placeOf;
    items.forEach((item, order) => {
      const { namespace, labels } = placeOf(item);
      add(this.#byKey, everything(namespace), order);
      for (const label of Object.entries(labels ?? {})) add(this.#byKey, keyOf(namespace, label), order);
    });
  }

  /** Items of the namespace that the selector chooses. */
  selected(namespace: string, selector: Labels): readonly T[] {
    const [first] = Object.entries(selector);
    const orders = this.#byKey.get(first === undefined ? everything(namespace) : keyOf(namespace, first)) ?? [];
    return pick(this.#items, [...orders], (item) => selects(selector, this.#placeOf(item).labels ?? {}));
  }
}

function pick<T>(items: readonly T[], orders: number[], fits: (item: T) => boolean): readonly T[] {
  return orders
    .sort((a, b) => a - b)
    .flatMap((order) => {
      const item = items[order];
      return item !== undefined && fits(item) ? [item] : [];
    });
}

function add(index: Map<string, number[]>, key: string, order: number): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [order]);
  else list.push(order);
}

function everything(namespace: string): string {
  return `${namespace}/`;
}

/** Neither a namespace nor a label's key holds what separates them here. */
function keyOf(namespace: string, [key, value]: readonly [string, string]): string {
  return `${namespace}/${key}=${value}`;
}
