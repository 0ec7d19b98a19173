#!/usr/bin/env node
/**
 * The command line: finds the verb, loads that verb alone, and turns what is thrown into one clear line and an exit
 * code. 0 fine, 1 findings, 2 bad usage or input, 3 internal error, 130 interrupted.
 * @module
 */
import { Command, CommanderError } from 'commander';
import { didYouMean, InvariantError, MeshError } from '../core/index.ts';
import { EXIT, readVersion } from './io.ts';

interface Verb {
  readonly summary: string;
  readonly load: () => Promise<(program: Command) => void>;
}

/** Every verb with the line that `--help` shows; the module behind it is loaded only when the verb is used. */
const VERBS: Readonly<Record<string, Verb>> = {
  run: {
    summary: 'run a scenario on the virtual clock (default: the shop of the brief)',
    load: async () => (await import('./verbs/run.ts')).runVerb,
  },
  audit: {
    summary: 'check best practices, with evidence',
    load: async () => (await import('./verbs/audit.ts')).auditVerb,
  },
  authz: {
    summary: 'decide one request, or a stream of them, and say why',
    load: async () => (await import('./verbs/authz.ts')).authzVerb,
  },
  diff: {
    summary: 'which requests two configurations answer differently, each with a witness',
    load: async () => (await import('./verbs/diff.ts')).diffVerb,
  },
  'who-can': {
    summary: 'every class of callers and requests that a port lets in',
    load: async () => (await import('./verbs/who-can.ts')).whoCanVerb,
  },
  query: {
    summary: 'connectivity, assertions, dead rules, equivalence, blast radius, permissiveness',
    load: async () => (await import('./verbs/query.ts')).queryVerb,
  },
  migrate: {
    summary: 'plan the way from PERMISSIVE to STRICT under observed traffic',
    load: async () => (await import('./verbs/migrate.ts')).migrateVerb,
  },
  'tls-check': {
    summary: 'check that client and server TLS modes agree',
    load: async () => (await import('./verbs/tls-check.ts')).tlsCheckVerb,
  },
  get: {
    summary: 'list policies in kubectl’s tables: get pa|ap|ra|dr',
    load: async () => (await import('./verbs/get.ts')).getVerb,
  },
  analyze: {
    summary: 'validate manifests as istiod would, and find what it would not',
    load: async () => (await import('./verbs/analyze.ts')).analyzeVerb,
  },
  attack: {
    summary: 'try to break in: adversaries with the evidence they captured, and their broken twins',
    load: async () => (await import('./verbs/attack.ts')).attackVerb,
  },
  doctor: {
    summary: 'what this runtime does with resumed TLS sessions, and what the wire makes of it',
    load: async () => (await import('./verbs/doctor.ts')).doctorVerb,
  },
  test: {
    summary: 'run policy tests (*.mesh-test.yaml)',
    load: async () => (await import('./verbs/test.ts')).testVerb,
  },
  'merge-reports': {
    summary: 'join the reports of all shards of a test run',
    load: async () => (await import('./verbs/merge-reports.ts')).mergeReportsVerb,
  },
  replay: {
    summary: 'check a law again on a counterexample',
    load: async () => (await import('./verbs/replay.ts')).replayVerb,
  },
  lowcode: {
    summary: 'low-code platforms and their exports',
    load: async () => (await import('./verbs/lowcode.ts')).lowcodeVerb,
  },
  certs: {
    summary: 'certificates and roots of sidecars, as istioctl proxy-config secret shows them',
    load: async () => (await import('./verbs/certs.ts')).certsVerb,
  },
  rotate: {
    summary: 'rehearse rotation under real traffic; forecast expiry, herds and tolerances',
    load: async () => (await import('./verbs/rotate.ts')).rotateVerb,
  },
  serve: {
    summary: 'keep a mesh up on loopback for curl, openssl and other real clients',
    load: async () => (await import('./verbs/serve.ts')).serveVerb,
  },
  x509: {
    summary: 'validate certificate chains at an instant',
    load: async () => (await import('./verbs/x509.ts')).x509Verb,
  },
  bench: {
    summary: 'measure handshakes, rotation, decisions and start-up beside the alternatives',
    load: async () => (await import('./verbs/bench.ts')).benchVerb,
  },
};

/** What a verb is also known as. */
const ALIASES: Readonly<Record<string, string>> = {};

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('meshproof')
    .description('An offline service mesh you can test against: real mutual TLS, Istio policy YAML, a virtual clock.')
    .version(readVersion(), '-V, --version')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'meshproof: ')) })
    .exitOverride();
  const [first] = argv;
  const name = first === 'help' ? argv[1] : first;
  const verb = name === undefined ? undefined : VERBS[ALIASES[name] ?? name];
  if (verb !== undefined) {
    (await verb.load())(program);
    for (const command of program.commands) overrideExit(command);
  } else {
    if (first !== undefined && !first.startsWith('-') && first !== 'help') {
      throw new MeshError(
        'ERR_USAGE',
        `unknown command \`${first}\`${didYouMean(first, Object.keys(VERBS))}; see \`meshproof --help\``,
      );
    }
    for (const [known, { summary }] of Object.entries(VERBS)) program.command(known).description(summary);
    program.addHelpText('after', '\nStart with `meshproof run`, then `meshproof <command> --help`.');
    if (first === undefined) {
      program.outputHelp();
      return;
    }
  }
  await program.parseAsync([...argv], { from: 'user' });
}

/** Commander copies no exit override to commands that were made before it was set. */
function overrideExit(command: Command): void {
  command.exitOverride().showHelpAfterError('(see --help)');
  for (const child of command.commands) overrideExit(child);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  if (error instanceof MeshError) {
    process.stderr.write(`meshproof: ${error.message}\n`);
    return EXIT.usage;
  }
  const detail = error instanceof Error ? error.message : String(error);
  const bug = error instanceof InvariantError ? detail : `internal error: ${detail}`;
  process.stderr.write(`meshproof: ${bug}\n`);
  if (process.env['MESHPROOF_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else process.stderr.write('meshproof: set MESHPROOF_DEBUG=1 for the stack, and please report it\n');
  return EXIT.internal;
}

// A reader that has gone away (`meshproof … | head`) is no error, and no answer either: what was found stays found.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? Number(process.exitCode ?? EXIT.fine) : EXIT.internal);
});
process.once('SIGINT', () => process.exit(EXIT.interrupted));

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
