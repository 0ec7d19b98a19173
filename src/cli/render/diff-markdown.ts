/**
 * A policy diff as a comment on a pull request. Texts of manifests come from whoever wrote the pull request: they are
 * shown, and never read as Markdown or HTML.
 * @module
 */
import {
  byKind,
  classText,
  decisionText,
  foldedText,
  foldUndeclared,
  HEADINGS,
  isWidening,
  replaySummary,
  replayText,
  targetTexts,
  undecidedText,
  witnessText,
  type ReportedDiff,
} from './diff-report.ts';

/**
 * Characters of a comment on GitHub, at most; what does not fit is refused as a whole.
 * Source: https://github.com/orgs/community/discussions/41331
 */
export const COMMENT_LENGTH_MAX = 65_536;
/** For the line that says how much was left out. */
const RESERVE = 200;
/** Of one cell, before it is escaped. */
const CELL_LENGTH_MAX = 1_500;
/** Of all that could not be compared, and all notes. */
const TAIL_LENGTH_MAX = 16_000;

export function diffMarkdown(diff: ReportedDiff): string {
  const tail = tailOf(diff);
  const head = ['### Policy diff', '', verdictOf(diff), ''];
  let room = COMMENT_LENGTH_MAX - RESERVE - lengthOf(head) - lengthOf(tail);
  const lines: string[] = [];
  let left = 0;
  const replayed = diff.findings.some(({ replay }) => replay !== undefined);
  for (const [kind, findings] of byKind(diff)) {
    const columns = ['To', 'Requests', 'Witness', 'Before', 'After', ...(replayed ? ['Replay'] : [])];
    const heading = [
      `#### ${HEADINGS[kind]} (${findings.length})`,
      '',
      row(columns),
      `|${'---|'.repeat(columns.length)}`,
    ];
    const rows: string[] = [];
    const { shown, folded } = foldUndeclared(findings);
    for (const finding of shown) {
      const text = findingRow(finding, replayed);
      const cost = lengthOf([text, ...(rows.length === 0 ? [...heading, ''] : [])]);
      if (cost > room) {
        left++;
        continue;
      }
      room -= cost;
      rows.push(text);
    }
    if (rows.length > 0) lines.push(...heading, ...rows, '');
    if (rows.length > 0 && folded > 0) {
      const more = `${foldedText(folded)}.\n`;
      room -= lengthOf([more]);
      lines.push(more);
    } else left += folded;
  }
  if (left > 0)
    lines.push(`**${left} more findings do not fit into a comment**; \`meshproof diff\` lists them all.`, '');
  return `${[...head, ...lines, ...tail].join('\n').trimEnd()}\n`;
}

function verdictOf({ findings, undecided }: ReportedDiff): string {
  const widened = findings.filter(isWidening).length;
  if (widened > 0) return `**Access widens** in ${widened} of ${counted(findings.length, 'finding')}.`;
  if (findings.length > 0) return `Access does not widen; ${counted(findings.length, 'finding')}.`;
  return undecided.length === 0
    ? 'No request is answered differently.'
    : 'No difference was found in what could be compared.';
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** What must not be lost, however many findings there are. */
function tailOf(diff: ReportedDiff): readonly string[] {
  const replays = replaySummary(diff);
  const lines: string[] = replays.map((text) => `${escapeText(text)}\n`);
  if (diff.undecided.length > 0) {
    const open = diff.undecided.map((each) => `- ${escapeText(cut(undecidedText(each)))}`);
    lines.push(`#### Not compared (${open.length})`, '', ...within(open, TAIL_LENGTH_MAX), '');
  }
  const notes = diff.notes.map((note) => `> ${escapeText(cut(note))}\n`);
  return [...lines, ...within(notes, TAIL_LENGTH_MAX)];
}

function within(texts: readonly string[], max: number): readonly string[] {
  let room = max;
  const kept = texts.filter((text) => (room -= text.length + 1) >= 0);
  return kept.length === texts.length ? kept : [...kept, `- and ${texts.length - kept.length} more`];
}

function findingRow(finding: ReportedDiff['findings'][number], replayed: boolean): string {
  const { targets, before, after, replay } = finding;
  return row([
    targetTexts(targets).map(code).join('<br>'),
    escapeText(cut(classText(finding))),
    code(cut(witnessText(finding))),
    escapeText(cut(decisionText(before))),
    escapeText(cut(decisionText(after))),
    ...(replayed ? [replay === undefined ? '' : escapeText(cut(replayText(replay)))] : []),
  ]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function lengthOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 1, 0);
}

function cut(text: string): string {
  return text.length <= CELL_LENGTH_MAX ? text : `${text.slice(0, CELL_LENGTH_MAX)}…`;
}

/** Everything but letters, digits and what means nothing in Markdown, HTML and mentions. */
const SPECIAL = /[^\p{L}\p{N} .,;:/=+()%-]/gu;

function code(text: string): string {
  return `<code>${entities(text)}</code>`;
}

function entities(text: string): string {
  return text.replace(SPECIAL, (char) => `&#${char.codePointAt(0) ?? 0};`);
}

/** What stands between backticks becomes code. A backtick inside a name only moves the borders: all of it is escaped. */
function escapeText(text: string): string {
  return text
    .split('`')
    .map((part, i) => (i % 2 === 0 ? entities(part).replaceAll('://', ':&#47;/') : code(part)))
    .join('');
}
