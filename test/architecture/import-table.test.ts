/**
 * The table of rooms in ARCHITECTURE.md, as a test: which folder of `src` may import which, no cycles, and no module
 * of Node in the pure rooms.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../../src');

interface Room {
  /** Rooms this one may import, itself aside. */
  readonly rooms: readonly string[];
  /** Packages and `node:` modules, by prefix; `*` for any. */
  readonly packages: readonly string[];
}

const BELOW_SIM = ['core', 'identity', 'istio', 'policy', 'pki', 'wire'];
const TABLE: Readonly<Record<string, Room>> = {
  core: { rooms: [], packages: ['seedrandom'] },
  identity: { rooms: ['core'], packages: [] },
  istio: { rooms: ['core', 'identity'], packages: ['yaml', 'zod', 'ipaddr.js'] },
  policy: { rooms: ['core', 'identity', 'istio'], packages: ['jose', 'ipaddr.js'] },
  analysis: { rooms: ['core', 'identity', 'istio', 'policy'], packages: ['ipaddr.js', 'refa'] },
  pki: { rooms: ['core', 'identity'], packages: ['node:crypto', 'selfsigned'] },
  wire: { rooms: ['core', 'identity', 'pki'], packages: ['node:', 'undici'] },
  sim: { rooms: BELOW_SIM, packages: ['node:', 'undici', 'zod', 'yaml'] },
  attack: { rooms: ['core', 'identity', 'pki', 'wire', 'sim'], packages: ['node:', 'selfsigned'] },
  telemetry: { rooms: ['core', 'identity', 'policy'], packages: ['prom-client', 'hdr-histogram-js'] },
  lowcode: { rooms: ['core', 'istio', 'sim'], packages: ['yaml', 'zod'] },
  mesh: { rooms: [...BELOW_SIM, 'sim', 'attack', 'telemetry', 'lowcode'], packages: ['node:', 'yaml', 'zod'] },
  policytest: { rooms: [...BELOW_SIM, 'sim', 'mesh', 'analysis'], packages: ['node:', 'yaml', 'zod'] },
  testing: {
    rooms: [...BELOW_SIM, 'sim', 'attack', 'telemetry', 'lowcode', 'mesh', 'analysis', 'policytest'],
    packages: ['*'],
  },
  bench: { rooms: [...BELOW_SIM, 'sim', 'telemetry', 'mesh', 'analysis'], packages: ['*'] },
  cli: {
    // Of the kit: what replays a counterexample, which needs neither fast-check nor vitest.
    rooms: [
      ...BELOW_SIM,
      'sim',
      'attack',
      'telemetry',
      'lowcode',
      'mesh',
      'analysis',
      'policytest',
      'testing',
      'bench',
    ],
    // jose: replayed witnesses carry signed tokens.
    packages: ['node:', 'commander', 'yaml', 'jose'],
  },
  // `src/index.ts`
  '.': { rooms: [...BELOW_SIM, 'sim', 'attack', 'telemetry', 'lowcode', 'mesh', 'analysis'], packages: [] },
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  /** Path below `src` of a relative import. */
  readonly target?: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports: readonly Import[] = files.flatMap((file) => {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g,
  );
  return [...found].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    if (!specifier.startsWith('.')) return { file, specifier };
    return { file, specifier, target: relative(SRC, resolve(SRC, dirname(file), specifier)) };
  });
});

function roomOf(path: string): string {
  return path.includes(sep) ? path.slice(0, path.indexOf(sep)) : '.';
}

describe('the import table', () => {
  it('reads the whole tree', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(imports.length).toBeGreaterThan(20);
  });

  it('knows every room', () => {
    expect(files.map(roomOf).filter((room) => TABLE[room] === undefined)).toEqual([]);
  });

  it('allows every arrow between rooms', () => {
    const wrong = imports.flatMap(({ file, target }) => {
      if (target === undefined) return [];
      const [from, to] = [roomOf(file), roomOf(target)];
      return from === to || TABLE[from]?.rooms.includes(to) ? [] : [`${file} -> ${target}`];
    });
    expect(wrong).toEqual([]);
  });

  it('allows every package', () => {
    const wrong = imports.flatMap(({ file, specifier, target }) => {
      if (target !== undefined) return [];
      const allowed = TABLE[roomOf(file)]?.packages ?? [];
      return allowed.some((p) => p === '*' || specifier === p || specifier.startsWith(p.endsWith(':') ? p : `${p}/`))
        ? []
        : [`${file} -> ${specifier}`];
    });
    expect(wrong).toEqual([]);
  });

  it('keeps node:tls and node:net in wire, but for attackers and what wire is measured against', () => {
    const wrong = imports.filter(
      ({ file, specifier }) =>
        /^node:(tls|net|http2?|https)$/.test(specifier) && !['wire', 'attack', 'cli', 'bench'].includes(roomOf(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('has no cycle between files', () => {
    const edges = new Map<string, string[]>();
    for (const { file, target } of imports)
      if (target !== undefined) edges.set(file, [...(edges.get(file) ?? []), target]);
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
