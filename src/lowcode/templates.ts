/**
 * The two template languages behind one door: checking at import, with the file's line and column in every error.
 * @module
 */
import { MeshError } from '../core/index.ts';
import type { SourcePosition } from '../istio/index.ts';
import { type DocumentNode, eachText, formatPosition } from './document.ts';
import { isList, isObject, type Json } from './json.ts';
import type { Dialect, Ignored } from './model.ts';
import { checkMustache, mustacheParts, secretsIn } from './mustache/evaluate.ts';
import { eachPart } from './mustache/expression.ts';
import { checkExpression, isUnmodelled } from './wdl/evaluate.ts';
import { eachCall, type WdlExpression } from './wdl/expression.ts';
import { expressionsOf, parseTemplate } from './wdl/template.ts';

/** Collects what templates of one client need, and refuses those that could never be evaluated. */
export class TemplateCheck {
  readonly #dialect: Dialect;
  readonly #secrets = new Set<string>();
  readonly #secureParameters: ReadonlySet<string>;
  readonly #lenient: Ignored[] | undefined;
  readonly #unmodelled: Ignored[] | undefined;

  /**
   * @param options.lenient where templates hold a whole programming language: what is not modelled of it is
   * reported here instead of being refused, and fails when it is evaluated
   * @param options.unmodelled where functions go that Workflow Definition Language has and meshproof has not
   */
  constructor(
    dialect: Dialect,
    options: {
      readonly secureParameters?: Iterable<string>;
      readonly lenient?: Ignored[];
      readonly unmodelled?: Ignored[];
    } = {},
  ) {
    this.#dialect = dialect;
    this.#secureParameters = new Set(options.secureParameters);
    this.#lenient = options.lenient;
    this.#unmodelled = options.unmodelled;
  }

  /** Sorted. */
  get secrets(): readonly string[] {
    return [...this.#secrets].toSorted();
  }

  node(node: DocumentNode): void {
    eachText(node, (text, at) => this.text(text, at));
  }

  /** Every text of a plain value. */
  value(value: Json, at: SourcePosition): void {
    if (typeof value === 'string') this.text(value, at);
    else if (isList(value)) for (const item of value) this.value(item, at);
    else if (isObject(value)) for (const item of Object.values(value)) this.value(item, at);
  }

  /** @throws MeshError `ERR_EXPRESSION` with `file`, `line`, `column` and `character` in `details` */
  text(text: string, at: SourcePosition): void {
    try {
      if (this.#dialect === 'wdl') this.#wdl(text, at);
      else {
        checkMustache(text);
        for (const name of secretsIn(text)) this.#secrets.add(name);
      }
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      if (this.#lenient !== undefined) this.#lenient.push({ what: `template: ${error.message}`, where: at });
      else {
        throw new MeshError('ERR_EXPRESSION', `${formatPosition(at)}: ${error.message}`, {
          cause: error,
          details: { ...error.details, ...at },
        });
      }
    }
  }

  /** Reports functions that only the products have; what uses them fails when it is evaluated. */
  #unmodelledIn(expression: WdlExpression, at: SourcePosition): boolean {
    const names = new Set<string>();
    eachCall(expression, ({ name }) => {
      if (isUnmodelled(name)) names.add(name);
    });
    if (this.#unmodelled === undefined) return false;
    for (const name of names) this.#unmodelled.push({ what: `function \`${name}\``, where: at });
    return names.size > 0;
  }

  #wdl(text: string, at: SourcePosition): void {
    for (const expression of expressionsOf(text)) {
      if (this.#unmodelledIn(expression, at)) continue;
      checkExpression(expression);
      eachCall(expression, ({ name, args: [first] }) => {
        if (name.toLowerCase() !== 'parameters' || first?.kind !== 'literal') return;
        if (this.#secureParameters.has(String(first.value))) this.#secrets.add(String(first.value));
      });
    }
  }
}

/** Functions of Workflow Definition Language that bring in nothing from outside the expression are many; these do. */
const REFERENCES =
  /^(body|outputs|actions|trigger(body|outputs)?|variables|parameters|items?|formdatavalue|workflow|utcnow|guid|rand)$/i;

/** A template's text with `blank` for every expression in it; the text itself where it is malformed. */
export function withoutTemplates(text: string, dialect: Dialect, blank: string): string {
  try {
    if (dialect === 'mustache') {
      return mustacheParts(text)
        .map((part) => (typeof part === 'string' ? part : blank))
        .join('');
    }
    const template = parseTemplate(text);
    if (template.kind === 'expression') return blank;
    return template.parts.map((part) => (typeof part === 'string' ? part : blank)).join('');
  } catch (error) {
    if (error instanceof MeshError) return text;
    throw error;
  }
}

/** Whether a template has the same value always: its expressions, if any, are made of literals. */
export function isConstant(text: string, dialect: Dialect): boolean {
  try {
    let constant = true;
    if (dialect === 'mustache') {
      for (const part of mustacheParts(text)) {
        if (typeof part !== 'string') eachPart(part, ({ kind }) => (constant &&= kind !== 'name' && kind !== 'call'));
      }
    } else {
      for (const expression of expressionsOf(text)) {
        eachCall(expression, ({ name }) => (constant &&= !REFERENCES.test(name)));
      }
    }
    return constant;
  } catch (error) {
    if (error instanceof MeshError) return false;
    throw error;
  }
}
