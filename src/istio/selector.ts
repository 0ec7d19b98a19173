/**
 * Label selectors: every label asked for must be there with exactly that value.
 * @module
 */

type Labels = Readonly<Record<string, string>>;

/** Whether `selector` chooses something with `labels`; an absent or empty selector chooses everything. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  if (selector === undefined) return true;
  for (const key of Object.keys(selector)) {
    if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  }
  return true;
}

/** Whether a selector was given and asks for at least one label. */
export function isSelective(selector: Labels | undefined): selector is Labels {
  return selector !== undefined && Object.keys(selector).length > 0;
}
