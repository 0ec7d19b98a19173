/**
 * The one way most policy fields compare text: `*` any, `pre*` prefix, `*suf` suffix, otherwise exact. An asterisk
 * anywhere else is an asterisk. A leading one wins where both ends have one.
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/ ("Rule")
 * @module
 */

export interface TextMatcherOptions {
  /** `*` means present, even if empty (headers, hosts, methods), not "at least one character". */
  readonly starMatchesEmpty?: boolean;
  /** ASCII case is ignored; values are lower-cased here, the text must be by the caller. */
  readonly ignoreCase?: boolean;
}

/** One value of a list, by its form. */
export type TextPattern =
  | { readonly form: 'any' }
  | { readonly form: 'prefix' | 'suffix' | 'exact'; readonly text: string };

export function parseTextPattern(value: string): TextPattern {
  if (value === '*') return { form: 'any' };
  if (value.startsWith('*')) return { form: 'suffix', text: value.slice(1) };
  if (value.endsWith('*')) return { form: 'prefix', text: value.slice(0, -1) };
  return { form: 'exact', text: value };
}

/** From here on a hash set beats comparing one by one. */
const SET_FROM = 5;

export class TextMatcher {
  readonly patterns: readonly TextPattern[];
  readonly #any: boolean;
  readonly #starMatchesEmpty: boolean;
  readonly #exact: readonly string[];
  readonly #exactSet: ReadonlySet<string> | undefined;
  readonly #prefixes: readonly string[];
  readonly #suffixes: readonly string[];

  constructor(values: readonly (string | TextPattern)[], options: TextMatcherOptions = {}) {
    this.patterns = values.map((value) => {
      if (typeof value !== 'string') return value;
      return parseTextPattern(options.ignoreCase === true ? asciiLower(value) : value);
    });
    this.#any = this.patterns.some((pattern) => pattern.form === 'any');
    this.#starMatchesEmpty = options.starMatchesEmpty === true;
    this.#exact = textsOf(this.patterns, 'exact');
    this.#exactSet = this.#exact.length >= SET_FROM ? new Set(this.#exact) : undefined;
    this.#prefixes = textsOf(this.patterns, 'prefix');
    this.#suffixes = textsOf(this.patterns, 'suffix');
  }

  /** Whether any of the values matches. */
  test(text: string): boolean {
    if (this.#any && (this.#starMatchesEmpty || text.length > 0)) return true;
    if (this.#exactSet === undefined) {
      for (const exact of this.#exact) if (text === exact) return true;
    } else if (this.#exactSet.has(text)) return true;
    for (const prefix of this.#prefixes) if (text.startsWith(prefix)) return true;
    for (const suffix of this.#suffixes) if (text.endsWith(suffix)) return true;
    return false;
  }
}

function textsOf(patterns: readonly TextPattern[], form: 'exact' | 'prefix' | 'suffix'): readonly string[] {
  const texts: string[] = [];
  for (const pattern of patterns) if (pattern.form !== 'any' && pattern.form === form) texts.push(pattern.text);
  return texts;
}

/** Lower-cases A to Z only, as Envoy does; a text without them is returned as it is. */
export function asciiLower(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
  }
  return text;
}

/** The text as a regular expression that matches it literally. */
export function quoteRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
}
