import { describe, expect, it } from 'vitest';
import { DEFAULT_EPOCH, MeshError, Rng } from '../../../src/core/index.ts';
import {
  auditClient,
  type CallAnswer,
  importLowCode,
  type Json,
  type OutgoingCall,
  runClient,
  type RunResult,
} from '../../../src/lowcode/index.ts';

const http = (path: string, more: object = {}, inputs: object = {}) => ({
  type: 'Http',
  inputs: { method: 'POST', uri: `https://api-gateway.internal${path}`, retryPolicy: { type: 'none' }, ...inputs },
  runAfter: {},
  ...more,
});

/** A solution export around these actions. */
function flow(actions: object, more: object = {}): string {
  return JSON.stringify(
    {
      schemaVersion: '1.0.0.0',
      properties: {
        displayName: 'Orders',
        connectionReferences: { shared_office365: { id: 'x' } },
        definition: {
          $schema:
            'https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#',
          contentVersion: '1.0.0.0',
          triggers: { manual: { type: 'Request', kind: 'Http', inputs: { schema: {} } } },
          actions,
          ...more,
        },
      },
    },
    null,
    '\t',
  );
}

async function run(
  text: string,
  answer: (call: OutgoingCall) => Partial<CallAnswer> = () => ({}),
  more: { trigger?: Json; values?: Record<string, Json>; allowOtherHosts?: boolean } = {},
): Promise<{ result: RunResult; sent: OutgoingCall[] }> {
  const sent: OutgoingCall[] = [];
  const result = await runClient(importLowCode(text, { file: 'flow.json' }), {
    now: DEFAULT_EPOCH,
    rng: new Rng('flow'),
    secrets: () => undefined,
    send: (call) => {
      sent.push(call);
      return Promise.resolve({ status: 200, headers: {}, body: '', ...answer(call) });
    },
    ...more,
  });
  return { result, sent };
}

describe('a workflow definition', () => {
  it('reads the same in each of its wrappers', () => {
    const definition = { $schema: 'https://x/Microsoft.Logic/y#', triggers: {}, actions: { A: http('/a') } };
    const bare = importLowCode(JSON.stringify(definition), { app: 'f' });
    const wrapped = importLowCode(JSON.stringify({ definition, parameters: {} }), { app: 'f' });
    const solution = importLowCode(JSON.stringify({ properties: { definition } }), { app: 'f' });
    const plain = (value: object): unknown =>
      JSON.parse(JSON.stringify(value).replaceAll(/"column":\d+/g, '"column":0'));
    expect(plain(wrapped)).toEqual(plain(bare));
    expect(plain(solution)).toEqual(plain(bare));
  });

  it('reports what it leaves out, with positions', () => {
    const text = flow({ Mail: { type: 'OpenApiConnection', inputs: {}, runAfter: {} }, A: http('/a', { shiny: 1 }) });
    const client = importLowCode(text, { file: 'flow.json' });
    const line = text.slice(0, text.indexOf('"Mail"')).split('\n').length;
    expect(client).toMatchObject({ tool: 'power-automate', app: 'Orders', trigger: 'manual (Request)' });
    expect(client.ignored.map(({ what }) => what)).toEqual([
      'connection `shared_office365`',
      'action `Mail` of type `OpenApiConnection`',
      '`shiny` of action `A`',
    ]);
    expect(client.ignored[1]?.where).toEqual({ file: 'flow.json', line, column: 5 });
  });

  it('reads functions that are not modelled, and fails where they are evaluated', async () => {
    const text = flow({ A: http('/a', {}, { body: "@formatNumber(1, 'C')" }), B: http('/b') });
    expect(importLowCode(text).ignored.map(({ what }) => what)).toContain('function `formatNumber`');
    const { result, sent } = await run(text);
    expect(sent.map(({ path }) => path)).toEqual(['/b']);
    expect(result.calls[0]?.error).toBe('character 2: function `formatNumber` is not modelled');
  });

  it('runs in the order of runAfter, whatever the order of writing', async () => {
    const { sent } = await run(
      flow({
        C: http('/c', { runAfter: { B: ['Succeeded'] } }),
        A: http('/a'),
        B: http('/b', { runAfter: { A: ['Succeeded'] } }),
      }),
    );
    expect(sent.map(({ path }) => path)).toEqual(['/a', '/b', '/c']);
  });

  it('handles variables, loops, conditions, composing, parsing, answering', async () => {
    const { result, sent } = await run(
      flow({
        Init: {
          type: 'InitializeVariable',
          inputs: { variables: [{ name: 'sum', type: 'integer', value: 0 }] },
          runAfter: {},
        },
        Parse: {
          type: 'ParseJson',
          inputs: { content: '@triggerBody().text', schema: {} },
          runAfter: { Init: ['Succeeded'] },
        },
        Each: {
          type: 'Foreach',
          foreach: "@body('Parse')",
          runAfter: { Parse: ['Succeeded'] },
          actions: {
            Big: {
              type: 'If',
              expression: { and: [{ greater: ["@item()['n']", 10] }, { not: { equals: ['@item().n', 99] } }] },
              actions: { Post: http('/big', {}, { body: { n: "@items('Each')?['n']" } }) },
              else: {
                actions: { Put: http('/small', {}, { method: 'PUT', queries: { n: '@{item().n}', q: 'a b&c' } }) },
              },
              runAfter: {},
            },
            Add: {
              type: 'IncrementVariable',
              inputs: { name: 'sum', value: '@item().n' },
              runAfter: { Big: ['Succeeded'] },
            },
          },
        },
        Name: { type: 'Compose', inputs: { total: "@variables('sum')" }, runAfter: { Each: ['Succeeded'] } },
        Answer: {
          type: 'Response',
          inputs: { statusCode: 201, body: "@outputs('Name')" },
          runAfter: { Name: ['Succeeded'] },
        },
      }),
      () => ({}),
      { trigger: { text: '[{"n":5},{"n":20},{"n":99}]' } },
    );
    expect(sent.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['PUT', '/small?n=5&q=a%20b%26c', undefined],
      ['POST', '/big', '{"n":20}'],
      ['PUT', '/small?n=99&q=a%20b%26c', undefined],
    ]);
    expect(result).toMatchObject({ status: 'Succeeded', errors: [], response: { status: 201, body: { total: 124 } } });
  });

  it('runs a failure handler only after a failure, and is failed by the loud one', async () => {
    const actions = {
      A: http('/a'),
      Quiet: http('/alert', { runAfter: { A: ['Failed', 'TimedOut'] } }),
    };
    const refused = await run(flow(actions), ({ path }) => ({ status: path === '/a' ? 403 : 200 }));
    expect(refused.result.status).toBe('Succeeded');
    expect(refused.result.calls.map(({ outcome }) => outcome)).toEqual(['Failed', 'Succeeded']);
    const fine = await run(flow(actions));
    expect(fine.result.calls.map(({ outcome }) => outcome)).toEqual(['Succeeded', 'Skipped']);
    const loud = {
      ...actions,
      Quiet: { type: 'Terminate', inputs: { runStatus: 'Failed' }, runAfter: { A: ['Failed'] } },
    };
    expect((await run(flow(loud), () => ({ status: 403 }))).result.status).toBe('Failed');
    expect(auditClient(importLowCode(flow(actions))).map(({ code }) => code)).toEqual(['failure-hidden']);
    expect(auditClient(importLowCode(flow(loud)))).toEqual([]);
  });

  it('repeats a call as the products do by default: on 503, not on 403', async () => {
    const actions = { A: http('/a', {}, { retryPolicy: { type: 'default' } }) };
    expect((await run(flow(actions), () => ({ status: 503 }))).result.calls[0]).toMatchObject({
      attempts: 5,
      status: 503,
    });
    expect((await run(flow(actions), () => ({ status: 403 }))).result.calls[0]).toMatchObject({
      attempts: 1,
      status: 403,
    });
  });

  it('skips what waits for a step that is not modelled, unless its result is given', async () => {
    const text = flow({
      Get: { type: 'OpenApiConnection', inputs: {}, runAfter: {} },
      A: http('/a', { runAfter: { Get: ['Succeeded'] } }, { body: "@body('Get')" }),
    });
    expect((await run(text)).sent).toEqual([]);
    expect((await run(text, undefined, { values: { Get: { x: 1 } } })).sent[0]?.body).toBe('{"x":1}');
  });

  it.each([
    ['https://evil.example/a', 'evil.example'],
    ['https://api-gateway.internal.evil.example/', 'api-gateway.internal.evil.example'],
    ['https://api-gateway.internal%2eevil.example/', 'api-gateway.internal.evil.example'],
    ['https://@{triggerBody().host}/a', 'evil.example'],
  ])('does not send a call to %s past the gateway', async (uri, host) => {
    const text = flow({ A: http('', {}, { uri }) });
    const held = await run(text, undefined, { trigger: { host: 'evil.example' } });
    expect(held.sent).toEqual([]);
    expect(held.result.calls[0]).toMatchObject({
      outcome: 'Skipped',
      skipped: `\`${host}\` is not the gateway (api-gateway.internal)`,
    });
    expect(held.result.findings.map(({ code }) => code)).toEqual(['bypasses-gateway']);
    expect(auditClient(importLowCode(text)).map(({ code }) => code)).toEqual(['bypasses-gateway']);
    const allowed = await run(text, undefined, { trigger: { host: 'evil.example' }, allowOtherHosts: true });
    expect(allowed.sent[0]).toMatchObject({ viaGateway: false, host });
  });

  it.each([
    ['a header with a line break', { headers: { 'x-a': '@{triggerBody()}' } }, /control characters/],
    ['a URL with a password', { uri: 'https://a:b@api-gateway.internal/' }, /user name or password/],
    ['a file URL', { uri: 'file:///etc/passwd' }, /not http or https/],
    ['a login that is not modelled', { authentication: { type: 'ManagedServiceIdentity' } }, /not modelled/],
  ])('sends nothing for %s', async (_, inputs, error) => {
    const { sent, result } = await run(flow({ A: http('/a', {}, inputs) }), undefined, { trigger: 'a\r\nx-admin: 1' });
    expect(sent).toEqual([]);
    expect(result.calls[0]?.error).toMatch(error);
  });

  it('says so where data lead out of a path', async () => {
    const { sent, result } = await run(flow({ A: http('/api/users/@{triggerBody()}') }), undefined, {
      trigger: '../admin',
    });
    expect(sent[0]?.path).toBe('/api/admin');
    expect(result.findings.map(({ code }) => code)).toEqual(['path-normalized']);
  });

  it('stops a flow that never ends', async () => {
    const inner = {
      In: { type: 'Foreach', foreach: '@range(0, 1000)', actions: { X: { type: 'Compose', inputs: 1 } } },
    };
    const { result } = await run(flow({ Out: { type: 'Foreach', foreach: '@range(0, 1000)', actions: inner } }));
    expect(result.status).toBe('Failed');
    expect(result.errors.at(-1)?.message).toBe('the flow took more than 10000 steps');
  });
});

describe('a refused workflow definition', () => {
  it.each([
    [
      'a cycle',
      { A: http('/a', { runAfter: { B: ['Succeeded'] } }), B: http('/b', { runAfter: { A: ['Succeeded'] } }) },
      /wait for each other: `A`, `B`$/,
    ],
    [
      'an unknown step',
      { Alpha: http('/a'), B: http('/b', { runAfter: { Alpa: ['Succeeded'] } }) },
      /`B` runs after `Alpa`.*did you mean `Alpha`\?$/,
    ],
    [
      'an unknown status',
      { A: http('/a'), B: http('/b', { runAfter: { A: ['Suceeded'] } }) },
      /unknown status `Suceeded`; did you mean `Succeeded`\?$/,
    ],
    [
      'an unknown function',
      { A: http('/a', {}, { body: { x: '@triggrBody()' } }) },
      /^flow\.json:\d+:\d+: character 2: unknown function `triggrBody`; did you mean `triggerBody`\?$/,
    ],
    ['an unknown method', { A: http('/a', {}, { method: 'PSOT' }) }, /unknown method `PSOT`; did you mean `POST`\?$/],
    [
      'an unknown operator',
      { A: { type: 'If', expression: { andd: [] }, actions: {} } },
      /unknown operator `andd` in a condition; did you mean `and`\?$/,
    ],
    ['a missing URI', { A: { type: 'Http', inputs: { method: 'GET' } } }, /`inputs` of action `A` has no `uri`$/],
  ])('%s', (_, actions, message) => {
    let caught: unknown;
    try {
      importLowCode(flow(actions), { file: 'flow.json' });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(MeshError);
    expect(caught).toMatchObject({
      message: expect.stringMatching(message) as string,
      details: { file: 'flow.json', line: expect.any(Number) as number },
    });
  });
});
