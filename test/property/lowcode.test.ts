/**
 * Laws of the low-code room: printing and re-parsing, nothing but `MeshError` is ever thrown, hostile input ends, no
 * secret is ever reported. `FC_SEED` chooses another seed.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_EPOCH, MeshError, Rng } from '../../src/core/index.ts';
import {
  evaluateMustache,
  evaluateWdl,
  importLowCode,
  type Json,
  type LowCodeClient,
  parseExpression,
  printExpression,
  runClient,
  type WdlExpression,
  WDL_FUNCTIONS,
} from '../../src/lowcode/index.ts';
import { type MustacheExpression, parseMustache, printMustache } from '../../src/lowcode/mustache/expression.ts';

const SEED = Number(process.env['FC_SEED'] ?? 42);
const options = { seed: SEED, numRuns: 300 };

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
);
const constant = fc.oneof(fc.string({ unit: 'binary' }), number, fc.boolean(), fc.constant(null));

const { wdl } = fc.letrec<{ wdl: WdlExpression }>((tie) => ({
  wdl: fc.oneof(
    { maxDepth: 4 },
    constant.map((value): WdlExpression => ({
      kind: 'literal',
      value,
      at: 0,
      ...(typeof value === 'number' && /[.e]/.test(String(value)) ? { float: true as const } : {}),
    })),
    fc
      .record({ name: fc.oneof(name, fc.constantFrom(...WDL_FUNCTIONS)), args: fc.array(tie('wdl'), { maxLength: 3 }) })
      .map((call): WdlExpression => ({ kind: 'call', ...call, at: 0 })),
    fc
      .record({
        target: tie('wdl'),
        key: tie('wdl'),
        safe: fc.boolean(),
      })
      .map((member): WdlExpression => ({ kind: 'member', ...member, at: 0 })),
  ),
}));

const { mustache } = fc.letrec<{ mustache: MustacheExpression }>((tie) => ({
  mustache: fc.oneof(
    { maxDepth: 4 },
    fc
      .oneof(fc.string(), fc.nat(), fc.boolean(), fc.constant(null))
      .map((value): MustacheExpression => ({ kind: 'literal', value, at: 0 })),
    name
      .filter((text) => !['true', 'false', 'null', 'undefined'].includes(text))
      .map((text): MustacheExpression => ({ kind: 'name', name: text, at: 0 })),
    fc
      .record({ target: tie('mustache'), key: tie('mustache'), safe: fc.boolean() })
      .map((member): MustacheExpression => ({ kind: 'member', ...member, at: 0 })),
    tie('mustache').map((operand): MustacheExpression => ({ kind: 'not', operand, at: 0 })),
    fc
      .record({
        operator: fc.constantFrom('||' as const, '??' as const, '&&' as const, '==' as const, '!=' as const),
        left: tie('mustache'),
        right: tie('mustache'),
      })
      .map((binary): MustacheExpression => ({ kind: 'binary', ...binary, at: 0 })),
    fc
      .record({ test: tie('mustache'), whenTrue: tie('mustache'), whenFalse: tie('mustache') })
      .map((conditional): MustacheExpression => ({ kind: 'conditional', ...conditional, at: 0 })),
    fc
      .array(tie('mustache'), { maxLength: 2 })
      .map((args): MustacheExpression => ({ kind: 'call', name: 'JSON.stringify', args, at: 0 })),
  ),
}));

function withoutPositions(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, item: unknown) => (key === 'at' ? undefined : item)));
}

const wdlScope = {
  now: DEFAULT_EPOCH,
  rng: new Rng('property'),
  trigger: { body: { a: [1, 'two', { b: null }] } },
  actions: new Map([['A', { status: 'Succeeded', outputs: { body: 'x' } }]]),
  variables: new Map<string, Json>([['v', [1, 2, 3]]]),
  parameter: (): undefined => undefined,
  parameterNames: [],
  loops: [{ name: 'L', item: 1 }],
  workflowName: 'w',
};

const mustacheScope = {
  now: DEFAULT_EPOCH,
  rng: new Rng('property'),
  secret: (secret: string): string => `value of ${secret}`,
  names: new Map<string, Json>([['table', { rows: [{ id: 1 }] }]]),
};

/** Runs `act`; anything thrown must be a `MeshError` of one line. */
function onlyMeshErrors(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError);
    expect((error as MeshError).message).not.toContain('\n');
  }
}

describe('expressions', () => {
  it('a printed workflow expression reads back equal', () => {
    fc.assert(
      fc.property(wdl, (expression) => {
        expect(withoutPositions(parseExpression(printExpression(expression)))).toEqual(withoutPositions(expression));
      }),
      options,
    );
  });

  it('a printed mustache expression reads back equal', () => {
    fc.assert(
      fc.property(mustache, (expression) => {
        expect(withoutPositions(parseMustache(printMustache(expression)))).toEqual(withoutPositions(expression));
      }),
      options,
    );
  });

  it('a workflow expression has a value or a MeshError', () => {
    let values = 0;
    fc.assert(
      fc.property(wdl, (expression) => {
        onlyMeshErrors(() => {
          evaluateWdl(`@${printExpression(expression)}`, wdlScope);
          values++;
        });
      }),
      options,
    );
    expect(values).toBeGreaterThan(20);
  });

  it('every function takes any arguments or refuses them with a MeshError', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...WDL_FUNCTIONS),
        fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }),
        (fn, args) => {
          const scope = { ...wdlScope, variables: new Map(args.map((arg, i) => [`v${i}`, arg as Json])) };
          const list = args.map((_, i) => `variables('v${i}')`).join(',');
          onlyMeshErrors(() => evaluateWdl(`@${fn}(${list})`, scope));
        },
      ),
      { ...options, numRuns: 3000 },
    );
  });

  it('any text is a template or a MeshError, in both languages', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '@',
        '@{',
        '}',
        '{{',
        '}}',
        '(',
        ')',
        '[',
        ']',
        "'",
        '"',
        '?',
        '.',
        '?.',
        ',',
        '||',
        '??',
        ':',
        '!',
        '\\',
        '\n',
      ),
      fc.constantFrom('body', 'concat', 'table', '__proto__', 'constructor', '1', 'null', ' '),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        onlyMeshErrors(() => evaluateWdl(pieces.join(''), wdlScope));
        onlyMeshErrors(() => evaluateMustache(pieces.join(''), mustacheScope));
      }),
      { ...options, numRuns: 3000 },
    );
  });
});

describe('imports', () => {
  it('any text is a client or a MeshError', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        '- ',
        ': ',
        '\n',
        '  ',
        '"',
        "'",
        '<',
        '/>',
        '<RESTQuery ',
        'id="a" ',
        '={',
        '&a ',
        '*a',
        '!!js ',
      ),
      fc.constantFrom(
        'resources',
        'workflow',
        'actions',
        'definition',
        'name',
        'type',
        'Http',
        'inputs',
        'url',
        '@{',
        '{{',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => onlyMeshErrors(() => importLowCode(pieces.join('')))),
      { ...options, numRuns: 2000 },
    );
  });

  it.each([
    ['brackets', '['.repeat(1_000_000)],
    ['braces of JSON', '{"a":'.repeat(200_000)],
    ['block lists', '- '.repeat(300_000)],
    ['block keys', '? '.repeat(300_000)],
    ['indentation', Array.from({ length: 1500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['elements', '<a>'.repeat(300_000)],
    ['an open text in an element', `<a b={'${'\\x'.repeat(1_500_000)}`],
    [
      'an open text in a template',
      `resources:\n  - name: a\n    type: rest_api\n    base_url: "{{ '${'x'.repeat(2_000_000)}"`,
    ],
    ['quotes', `<a b={${"'".repeat(300_001)}`],
    ['aliases', 'a: &a [1,1]\nb: &b [*a,*a]\nresources: [*b,*b]'],
  ])('hostile %s are refused in time', (_, text) => {
    expect(() => importLowCode(text)).toThrow(MeshError);
  });
});

describe('secrets', () => {
  it('no result holds a secret, whatever a flow and a service make of it', async () => {
    const expressions = [
      "@parameters('key')",
      "@{parameters('key')}!",
      "@base64(parameters('key'))",
      "@base64(concat('user:', parameters('key')))",
      "@encodeUriComponent(parameters('key'))",
      "@toUpper(parameters('key'))",
      "@replace(parameters('key'), 'a', 'b')",
      "@string(createArray(parameters('key')))",
      "@json(parameters('key'))",
      "@int(parameters('key'))",
    ];
    const client: LowCodeClient = importLowCode(
      JSON.stringify({
        definition: {
          parameters: { key: { type: 'SecureString' } },
          triggers: {},
          actions: Object.fromEntries(
            expressions.map((expression, i) => [
              `A${i}`,
              {
                type: 'Http',
                inputs: {
                  method: 'POST',
                  uri: 'https://api-gateway.internal/a',
                  queries: { q: expression },
                  headers: { 'x-key': expression },
                  body: { value: expression },
                  retryPolicy: { type: 'none' },
                },
              },
            ]),
          ),
        },
      }),
    );
    expect(client.secrets).toEqual(['key']);
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 8, maxLength: 20, unit: 'grapheme-ascii' }).map((text) => `Zq9${text}`),
        async (secret) => {
          const result = await runClient(client, {
            now: DEFAULT_EPOCH,
            rng: new Rng('s'),
            secrets: () => secret,
            send: (call) => {
              sent++;
              return Promise.resolve({
                status: 200,
                headers: {},
                body: call.body,
                evidence: { call, echo: [call.body, call.url] },
              });
            },
          });
          const text = JSON.stringify(result);
          for (const form of [
            secret,
            encodeURIComponent(secret),
            btoa(secret),
            btoa(`user:${secret}`),
            secret.toUpperCase(),
            secret.replaceAll('a', 'b'),
            JSON.stringify(secret).slice(1, -1),
          ]) {
            expect(text).not.toContain(form);
          }
        },
      ),
      { ...options, numRuns: 100 },
    );
    expect(sent).toBeGreaterThan(500);
  });
});
