/**
 * `meshproof certs`: the certificates and roots of sidecars, as `istioctl proxy-config secret` shows them.
 *
 * Of one workload the table and `-o json` are istioctl's own; of all there is a first column more, and the JSON maps
 * workloads to dumps.
 * @module
 */
import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { didYouMean, MeshError, parseDuration } from '../../core/index.ts';
import { manifestWorld, Mesh, type RehearsalWorld, scenarioWorld, shippedScenarios } from '../../mesh/index.ts';
import { type SecretRow, secretRows, secretsDump, type SecretSource } from '../../pki/index.ts';
import { parseOutputFormat, writeOutput } from '../io.ts';
import { renderTable } from '../render/table.ts';

interface CertsFlags {
  readonly filename?: readonly string[];
  readonly at: string;
  readonly seed?: string;
  readonly output: string;
}

const HEADERS = ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'];
/** istioctl's. */
const PADDING = 5;

export function certsVerb(program: Command): void {
  program
    .command('certs')
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships; left out with -f')
    .argument('[workload]', 'namespace/workload; all where absent')
    .description('certificates and roots of sidecars, as istioctl proxy-config secret shows them')
    .option('-f, --filename <path...>', 'manifests instead of a scenario: files, folders or - for standard input')
    .option('--at <duration>', 'virtual time since the start', '0s')
    .option('--seed <seed>', 'seed of everything drawn')
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof certs                                    every workload of the shop
  $ meshproof certs default/frontend --at 13h          one, after its first rotation
  $ meshproof certs default/frontend -f k8s            of a mesh of manifests
  $ meshproof certs default/frontend -o json | jq -r '.dynamicActiveSecrets[0].secret.tlsCertificate.certificateChain.inlineBytes' | base64 -d | openssl x509 -text`,
    )
    .action(runCerts);
}

async function runCerts(first: string | undefined, second: string | undefined, flags: CertsFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const afterMs = parseDuration(flags.at);
  if (afterMs < 0) throw new MeshError('ERR_USAGE', '`--at` lies before the start');
  const { world, workload } = await subjectOf(first, second, flags);
  const { ca } = world.mesh;
  // Serial numbers repeat with the seed, where the algorithm allows it.
  const reproducibleKeys = !(ca?.key ?? '').startsWith('rsa');
  await using mesh = await Mesh.start({
    ...world.mesh,
    seed: flags.seed ?? world.seed ?? 'certs',
    ca: { ...ca, reproducibleKeys },
  });
  await mesh.clock.advance(afterMs);
  const sources = sourcesOf(mesh, workload);
  const [only] = sources;
  if (workload !== undefined && only !== undefined) {
    writeOutput(format, secretsDump(only.source), () =>
      renderTable(HEADERS, secretRows(only.source).map(cells), { padding: PADDING }),
    );
    return;
  }
  const dumps = Object.fromEntries(sources.map(({ name, source }) => [name, secretsDump(source)]));
  writeOutput(format, dumps, () =>
    renderTable(
      ['WORKLOAD', ...HEADERS],
      sources.flatMap(({ name, source }) => secretRows(source).map((row) => [name, ...cells(row)])),
      { padding: PADDING },
    ),
  );
}

/** A single name may be a scenario or a workload of the default one. */
async function subjectOf(
  first: string | undefined,
  second: string | undefined,
  { filename }: CertsFlags,
): Promise<{ readonly world: Pick<RehearsalWorld, 'mesh' | 'seed'>; readonly workload: string | undefined }> {
  if (filename !== undefined) {
    if (second !== undefined) throw new MeshError('ERR_USAGE', 'either a scenario or `-f`, and one workload');
    return { world: await manifestWorld(filename), workload: first };
  }
  const isWorkload = first !== undefined && second === undefined && /^[^./][^/]*\/[^/]+$/.test(first);
  if (isWorkload && !(await exists(first)) && !(await shippedScenarios()).includes(first))
    return { world: await scenarioWorld(), workload: first };
  return { world: await scenarioWorld(first), workload: second };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function sourcesOf(
  mesh: Mesh,
  workload: string | undefined,
): readonly { readonly name: string; readonly source: SecretSource }[] {
  const all = [...mesh.simulation.agents()].map(({ workload: { namespace, name }, agent }) => {
    const svid = agent.current();
    const source = { roots: agent.trusted.roots, at: mesh.clock.now(), ...(svid === undefined ? {} : { svid }) };
    return { name: `${namespace}/${name}`, source };
  });
  if (workload === undefined) return all;
  const found = all.filter(({ name }) => name === workload);
  if (found.length > 0) return found;
  const hint = didYouMean(
    workload,
    all.map(({ name }) => name),
  );
  throw new MeshError('ERR_USAGE', `no workload \`${workload}\` with a sidecar${hint}`);
}

function cells(row: SecretRow): readonly string[] {
  const { resourceName, type, status, validCert, serialNumber, notAfter, notBefore } = row;
  return [resourceName, type, status, String(validCert), serialNumber, notAfter, notBefore];
}
