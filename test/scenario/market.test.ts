/**
 * Plausible edits of a mesh of twelve workloads under twenty policies, as a reviewer reads them: a few lines each, every
 * one of them true, every witness that can be sent answered on the wire as predicted.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diff, type PolicyDiff } from '../../src/analysis/index.ts';
import { replayFindings } from '../../src/cli/diff-replay.ts';
import { diffMarkdown } from '../../src/cli/render/diff-markdown.ts';
import { diffText } from '../../src/cli/render/diff-report.ts';
import { parseManifestFiles, type MeshConfig } from '../../src/istio/index.ts';
import { naiveAuthorize } from '../differential/naive-authorization.ts';
import { edits, type Edit } from './market/edits.ts';

const FOLDER = join(import.meta.dirname, 'market');
const workloads = { origin: 'workloads.yaml', text: readFileSync(join(FOLDER, 'workloads.yaml'), 'utf8') };
const policies = readFileSync(join(FOLDER, 'policies.yaml'), 'utf8');

function market(text: string): MeshConfig {
  return parseManifestFiles([workloads, { origin: 'policies.yaml', text }]);
}

function edited({ changes }: Edit): MeshConfig {
  return market(
    changes.reduce((text, [from, to]) => {
      expect(text, from).toContain(from);
      return text.replace(from, () => to);
    }, policies),
  );
}

const base = market(policies);
const compared = edits(policies).map((edit): readonly [string, MeshConfig, PolicyDiff] => {
  const after = edited(edit);
  return [edit.name, after, diff(base, after)];
});

describe('edits of the market', () => {
  it('read well at a terminal', async () => {
    const transcript = compared.map(([name, , found]) => `$ ${name}\n${diffText(found, undefined, false)}`);
    await expect(transcript.join('\n')).toMatchFileSnapshot('market/expected.txt');
  });

  it('read well as a comment on a pull request', async () => {
    const comments = compared.map(([name, , found]) => `<!-- ${name} -->\n${diffMarkdown(found)}`);
    await expect(comments.join('\n')).toMatchFileSnapshot('market/expected.md');
  });

  it.each(compared)('%s: the naive evaluator agrees about every witness that has an identity', (_, after, found) => {
    for (const { witness, before: one, after: two, kind } of found.findings) {
      if (witness.source?.principal === undefined || witness.destination.workload === undefined) continue;
      if (kind !== 'newly-allowed' && kind !== 'newly-denied') continue;
      // The port of the databases is declared as TCP: no filter sees requests there.
      const { request, ...connection } = witness;
      const isHttp =
        request !== undefined && !(witness.destination.workload.endsWith('-db') && witness.destination.port === 5432);
      const seen = isHttp ? witness : connection;
      const decisions = [base, after].map((config) => naiveAuthorize(config, seen)?.decision);
      expect(decisions, JSON.stringify(witness)).toEqual([one.decision, two.decision]);
    }
  });

  it.each(compared)('%s: the wire answers as predicted', async (_, after, found) => {
    const replays = await replayFindings(found.findings, base, after);
    expect(replays.map(({ agrees }) => agrees)).not.toContain(false);
    const sendable = found.findings.filter(
      ({ targets: [target], traffic, witness }) =>
        traffic !== 'tcp' &&
        target?.hypothetical === false &&
        target.ports.length > (target.undeclared?.length ?? 0) &&
        witness.source?.remoteIp === undefined,
    );
    expect(replays.filter(({ agrees }) => agrees === true)).toHaveLength(sendable.length);
  });
});
