import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DEFAULT_EPOCH, Rng } from '../../../src/core/index.ts';
import {
  type CallAnswer,
  importLowCode,
  type OutgoingCall,
  runClient,
  withRequests,
} from '../../../src/lowcode/index.ts';

const FOLDER = new URL('../../../scenarios/01-shop/lowcode/', import.meta.url);

function read(name: string): ReturnType<typeof importLowCode> {
  return importLowCode(readFileSync(new URL(name, FOLDER), 'utf8'), { file: name });
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

function recorder(answer: (call: OutgoingCall) => Partial<CallAnswer> = () => ({})) {
  const sent: OutgoingCall[] = [];
  return {
    sent,
    options: {
      now: DEFAULT_EPOCH,
      rng: new Rng('test'),
      secrets: (name: string) => (name === 'RETOOL_API_KEY' ? 'key-4711/abc' : undefined),
      send: (call: OutgoingCall): Promise<CallAnswer> => {
        sent.push(call);
        return Promise.resolve({ status: 200, headers: {}, body: '', ...answer(call) });
      },
    },
  };
}

describe('retool_config.yaml of the shop', () => {
  const client = read('retool_config.yaml');

  it('is two resources, one secret, nothing ignored', () => {
    expect(client).toMatchObject({
      tool: 'retool',
      app: 'retool_config',
      calls: [],
      secrets: ['RETOOL_API_KEY'],
      ignored: [],
    });
    expect(client.resources).toEqual([
      {
        type: 'rest_api',
        name: 'User API',
        baseUrl: 'https://api-gateway.internal/api/v1',
        headers: [
          {
            name: 'Authorization',
            value: 'Bearer {{ RETOOL_API_KEY }}',
            source: { file: 'retool_config.yaml', line: 7, column: 7 },
          },
          {
            name: 'X-Request-ID',
            value: '{{ generateUUID() }}',
            source: { file: 'retool_config.yaml', line: 8, column: 7 },
          },
        ],
        source: { file: 'retool_config.yaml', line: 3, column: 5 },
      },
      {
        type: 'postgresql',
        name: 'Analytics DB',
        host: 'analytics-db.internal',
        port: 5432,
        database: 'analytics',
        source: { file: 'retool_config.yaml', line: 11, column: 5 },
      },
    ]);
  });

  it('sends a request of its REST API with the headers of the resource', async () => {
    const { sent, options } = recorder();
    const withCalls = withRequests(client, [
      { resource: 'User API', method: 'GET', path: '/users/42' },
      { resource: 'User API', method: 'post', path: 'orders/7', body: { note: 'hi' } },
    ]);
    const result = await runClient(withCalls, options);
    expect(sent).toHaveLength(2);
    expect(sent[0]).toMatchObject({
      method: 'GET',
      url: 'https://api-gateway.internal/api/v1/users/42',
      host: 'api-gateway.internal',
      path: '/api/v1/users/42',
      viaGateway: true,
      headers: { authorization: 'Bearer key-4711/abc' },
    });
    expect(sent[1]).toMatchObject({ method: 'POST', path: '/api/v1/orders/7', body: '{"note":"hi"}' });
    const ids = sent.map(({ headers }) => headers['x-request-id']);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids[0]).not.toBe(ids[1]);
    expect(result).toMatchObject({ status: 'Succeeded', findings: [] });
    expect(result.calls.map(({ id, status }) => `${id} ${status}`)).toEqual(['GET /users/42 200', 'POST orders/7 200']);
  });
});

describe('the key of retool_config.yaml', () => {
  const KEY = 'key-4711/abc';
  const client = withRequests(read('retool_config.yaml'), [
    { resource: 'User API', method: 'GET', path: '/users/{{ btoa(RETOOL_API_KEY) }}?k={{ RETOOL_API_KEY }}' },
  ]);

  it('is not sent, nor anything else, where it is not set', async () => {
    const { sent, options } = recorder();
    const result = await runClient(client, { ...options, secrets: () => undefined });
    expect(sent).toEqual([]);
    expect(result.calls[0]).toMatchObject({ outcome: 'Failed', attempts: 0 });
    expect(result.calls[0]?.error).toMatch(/secret `RETOOL_API_KEY` is not set$/);
  });

  it.each([
    [
      'echoed by a service',
      (call: OutgoingCall) => ({ body: call.headers, evidence: { call, self: new Map([[KEY, call.url]]) } }),
    ],
    [
      'in an error of the network',
      (call: OutgoingCall): never => {
        throw new Error(`cannot reach ${call.url} with ${call.headers['authorization']}`);
      },
    ],
  ])('is hidden where it is %s', async (_, answer) => {
    const { sent, options } = recorder(answer);
    const result = await runClient(client, options);
    expect(sent[0]?.headers['authorization']).toBe(`Bearer ${KEY}`);
    const text = inspect(result, { depth: 20 });
    expect(text).toContain('***');
    for (const form of [KEY, encodeURIComponent(KEY), btoa(KEY)]) expect(text).not.toContain(form);
  });

  it('cuts evidence that refers to itself', async () => {
    const loop: Record<string, unknown> = { name: KEY };
    loop['self'] = loop;
    loop['again'] = [loop, loop];
    const { options } = recorder(() => ({ evidence: loop }));
    const result = await runClient(client, options);
    expect(result.calls[0]?.evidence).toEqual({ name: '***', self: '[circular]', again: ['[circular]', '[circular]'] });
  });
});

describe('power-automate.yaml of the shop', () => {
  const client = read('power-automate.yaml');
  const order = { order_id: 7, customer_email: 'somchai@example.com' };

  it('is two calls, the second after the first', () => {
    expect(client).toMatchObject({
      tool: 'power-automate',
      trigger: 'When new order is created',
      secrets: [],
      ignored: [],
    });
    expect(client.calls.map(({ id, after }) => ({ id, after }))).toEqual([
      { id: 'Validate Order', after: [] },
      { id: 'Send Notification', after: ['Validate Order'] },
    ]);
  });

  it('sends the trigger on and takes the address from the answer', async () => {
    const { sent, options } = recorder(({ id }) =>
      id === 'Validate Order'
        ? { body: JSON.stringify({ ...order, valid: true }), headers: JSON_TYPE }
        : { status: 202 },
    );
    const result = await runClient(client, { ...options, trigger: order });
    expect(sent.map(({ method, path, body }) => ({ method, path, body: JSON.parse(body ?? '') as unknown }))).toEqual([
      { method: 'POST', path: '/api/v1/orders/validate', body: order },
      {
        method: 'POST',
        path: '/api/v1/notifications',
        body: { to: 'somchai@example.com', template: 'order_confirmation' },
      },
    ]);
    expect(result.status).toBe('Succeeded');
    expect(result.calls.map(({ status }) => status)).toEqual([200, 202]);
  });

  it('notifies nobody where validation is refused', async () => {
    const { sent, options } = recorder(() => ({ status: 403, body: 'RBAC: access denied' }));
    const result = await runClient(client, { ...options, trigger: order });
    expect(sent).toHaveLength(1);
    expect(result.status).toBe('Failed');
    expect(result.calls[1]).toMatchObject({
      outcome: 'Skipped',
      skipped: 'it waits for `Validate Order` to have succeeded, which failed',
    });
  });

  it('fails the notification where the answer has no address', async () => {
    const { sent, options } = recorder(() => ({ body: '{"customer_mail":"x"}', headers: JSON_TYPE }));
    const result = await runClient(client, { ...options, trigger: order });
    expect(sent).toHaveLength(1);
    expect(result.calls[1]?.error).toBe(
      'character 24: there is no property `customer_email`; did you mean `customer_mail`?',
    );
  });
});
