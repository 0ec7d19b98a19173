/**
 * `authz --requests`: one JSON line in, one JSON line out, in big chunks both ways.
 * @module
 */
import { once } from 'node:events';
import { MeshError, messageOf } from '../core/errors.ts';
import { readAuthorizationLine, type CompiledAuthorization, type Decision } from '../policy/index.ts';

/** Written out when this many characters have gathered. */
const BATCH_CHARS = 1 << 16;
/** Decisions that many requests share are turned into text once, up to this many. */
const TEXTS_MAX = 100_000;

interface LineStreams {
  readonly input: AsyncIterable<string>;
  readonly output: NodeJS.WritableStream;
}

/**
 * Answers every line of `input`.
 * @returns the exit code: 0, or 2 if some line was no request
 */
export async function authorizeLines(compiled: CompiledAuthorization, { input, output }: LineStreams): Promise<0 | 2> {
  const answers = new AnswerWriter(compiled);
  let batch = '';
  let rest = '';
  const flush = async (): Promise<void> => {
    const text = batch;
    batch = '';
    if (text !== '' && !output.write(text)) await once(output, 'drain');
  };
  for await (const chunk of input) {
    const text = rest + chunk;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      batch += answers.answer(text.slice(start, end));
      start = end + 1;
      if (batch.length >= BATCH_CHARS) await flush();
    }
    rest = text.slice(start);
    // Whoever asks line by line gets an answer before sending the next.
    await flush();
  }
  batch += answers.answer(rest);
  await flush();
  return answers.failed ? 2 : 0;
}

class AnswerWriter {
  failed = false;
  readonly #compiled: CompiledAuthorization;
  readonly #texts = new Map<Decision, string>();

  constructor(compiled: CompiledAuthorization) {
    this.#compiled = compiled;
  }

  /** The line that answers `line`, with its line break; empty for an empty line. */
  answer(line: string): string {
    if (line.trim() === '') return '';
    let id: unknown = null;
    try {
      const value: unknown = JSON.parse(line);
      if (!isRecord(value)) throw new MeshError('ERR_REQUEST_INVALID', 'a line must be a JSON object');
      id = value['id'] ?? null;
      const decision = this.#compiled.authorize(readAuthorizationLine(value));
      return `{"id":${JSON.stringify(id)},${this.#textOf(decision)}}\n`;
    } catch (error) {
      if (!(error instanceof MeshError) && !(error instanceof SyntaxError)) throw error;
      this.failed = true;
      return `${JSON.stringify({ id, error: messageOf(error) })}\n`;
    }
  }

  #textOf(value: Decision): string {
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    const { decision, status, determining, reason } = value;
    const text = JSON.stringify({ decision, status, determining, reason }).slice(1, -1);
    if (Object.isFrozen(value) && this.#texts.size < TEXTS_MAX) this.#texts.set(value, text);
    return text;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
