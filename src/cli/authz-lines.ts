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
  const flush = async (): Promise<void> => {
    const text = batch;
    batch = '';
    if (text !== '' && !output.write(text)) await once(output, 'drain');
  };
  // A line that spans chunks is kept in pieces: only what is new is searched for its end.
  let pieces: string[] = [];
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      const piece = chunk.slice(start, end);
      batch += answers.answer(pieces.length === 0 ? piece : pieces.join('') + piece);
      pieces = [];
      start = end + 1;
      if (batch.length >= BATCH_CHARS) await flush();
    }
    if (start < chunk.length) pieces.push(chunk.slice(start));
    // Whoever asks line by line gets an answer before sending the next.
    await flush();
  }
  batch += answers.answer(pieces.join(''));
  await flush();
  return answers.refused > 0 ? 2 : 0;
}

const BYTE_ORDER_MARK = '\uFEFF';

class AnswerWriter {
  /** Lines that were no requests. */
  refused = 0;
  #lineNumber = 0;
  readonly #compiled: CompiledAuthorization;
  readonly #texts = new Map<Decision, string>();

  constructor(compiled: CompiledAuthorization) {
    this.#compiled = compiled;
  }

  /** The line that answers `line`, with its line break; empty for an empty line. */
  answer(text: string): string {
    this.#lineNumber++;
    const line = this.#lineNumber === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
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
      this.refused++;
      return `${JSON.stringify({ id, error: `line ${this.#lineNumber}: ${messageOf(error)}` })}\n`;
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
