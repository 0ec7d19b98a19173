/**
 * Coverage of policies as files: lcov for the viewers people have, and the manifests with counts beside their lines.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CoverageItem, CoverageReport } from '../analysis/index.ts';
import { writeReport } from './test-output.ts';

/** Writes `lcov.info`, and every manifest with a policy in it below `annotated/`. */
export async function writeCoverage(report: CoverageReport, folder: string): Promise<void> {
  await writeReport(join(folder, 'lcov.info'), lcov(report));
  for (const [file, items] of byFile(report)) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text !== undefined)
      await writeReport(join(folder, 'annotated', file.replaceAll('../', '')), annotated(text, items));
  }
}

/** A clause is a branch with two ways: it held in a rule that decided, or it alone refused. */
export function lcov(report: CoverageReport): string {
  const records: string[] = [];
  for (const [file, items] of byFile(report)) {
    const lines = new Map<number, number>();
    for (const { line = 1, hits } of items) lines.set(line, Math.max(lines.get(line) ?? 0, hits));
    const policies = items.filter(({ kind }) => kind === 'policy');
    const branches = items
      .filter(({ kind }) => kind === 'clause')
      .flatMap(({ line = 1, hits, refused }, block) => [
        { line, block, branch: 0, taken: hits },
        { line, block, branch: 1, taken: refused },
      ]);
    records.push(
      'TN:',
      `SF:${file}`,
      ...policies.map(({ line = 1, key }) => `FN:${line},${key}`),
      ...policies.map(({ key, hits }) => `FNDA:${hits},${key}`),
      `FNF:${policies.length}`,
      `FNH:${policies.filter(({ hits }) => hits > 0).length}`,
      ...branches.map(({ line, block, branch, taken }) => `BRDA:${line},${block},${branch},${taken}`),
      `BRF:${branches.length}`,
      `BRH:${branches.filter(({ taken }) => taken > 0).length}`,
      ...[...lines].sort(([a], [b]) => a - b).map(([line, hits]) => `DA:${line},${hits}`),
      `LF:${lines.size}`,
      `LH:${[...lines.values()].filter((hits) => hits > 0).length}`,
      'end_of_record',
    );
  }
  return records.map((line) => `${line}\n`).join('');
}

const GUTTER = 16;

/** The text with, before each line that holds an item, how often it decided: `12×`, or `never`. */
export function annotated(text: string, items: readonly CoverageItem[]): string {
  const marks = new Map<number, CoverageItem>();
  const order = { policy: 0, rule: 1, clause: 2 };
  for (const item of [...items].sort((a, b) => order[a.kind] - order[b.kind])) marks.set(item.line ?? 1, item);
  return text
    .split('\n')
    .map((line, index) => {
      const item = marks.get(index + 1);
      if (item === undefined) return `${' '.repeat(GUTTER)}| ${line}`;
      const refused = item.kind === 'clause' ? ` -${item.refused}` : '';
      return `${(item.hits === 0 ? 'never' : `${item.hits}×${refused}`).padStart(GUTTER)}| ${line}`;
    })
    .join('\n');
}

function byFile({ items }: CoverageReport): ReadonlyMap<string, readonly CoverageItem[]> {
  const files = new Map<string, CoverageItem[]>();
  for (const item of items) {
    if (item.file === undefined) continue;
    const list = files.get(item.file) ?? [];
    list.push(item);
    files.set(item.file, list);
  }
  return files;
}
