import { describe, expect, it } from 'vitest';
import { DEFAULT_EPOCH, Rng } from '../../../src/core/index.ts';
import {
  auditClient,
  formatLowCodePlatforms,
  importLowCode,
  type LowCodeClient,
  type OutgoingCall,
  runClient,
  withResources,
} from '../../../src/lowcode/index.ts';

async function sentBy(client: LowCodeClient, values: Record<string, never> | object = {}): Promise<OutgoingCall[]> {
  const sent: OutgoingCall[] = [];
  await runClient(client, {
    now: DEFAULT_EPOCH,
    rng: new Rng('r'),
    secrets: (name) => `<${name}>`,
    values: values as Record<string, never>,
    send: (call) => {
      sent.push(call);
      return Promise.resolve({ status: 200, headers: { 'Content-Type': 'application/json' }, body: '{"id":9}' });
    },
  });
  return sent;
}

const RSX = `<GlobalFunctions>
  <Folder id="group">
    <RESTQuery
      id="updateUser"
      type="PATCH"
      query="users/{{ usersTable.selectedRow.id }}?dry={{ dry.value || 'no' }}"
      bodyType="json"
      body={'[{"key":"email","value":"{{ editEmail.value }}"}]'}
      headers={'[{"key":"X-Trace","value":"{{ generateUUID() }}"},{"key":"","value":""}]'}
      resourceDisplayName="User API"
      resourceName="a00335cd"
      queryTimeout="12000"
      runWhenModelUpdates={false}
      errorTransformer="// don't run me
return data.error"
    >
      <Event event="success" method="trigger" pluginId="fetchUsers" type="datasource" params={{ ordered: [] }} />
      <Event event="success" method="showNotification" type="util" />
    </RESTQuery>
    <RESTQuery id="fetchUsers" query="users?after={{ updateUser.data.id }}" resourceDisplayName="User API" enableTransformer={true} transformer="return data" />
    <RESTQuery id="raw" query="http://legacy.internal/x" resourceName="REST-WithoutResource" type="DELETE" headers={'[{"key":"Authorization","value":"Bearer abc123"}]'} />
    <SqlQueryUnified id="sql" query={include("./lib/sql.sql", "string")} />
  </Folder>
</GlobalFunctions>
`;
const RESOURCES = `resources:
  - name: User API
    type: rest_api
    base_url: https://api-gateway.internal/api/v1/
    headers: { Authorization: "Bearer {{ environment.variables.KEY }}" }
`;

describe('Retool functions.rsx', () => {
  const client = importLowCode(RSX, { file: 'functions.rsx' });

  it('is read with positions, and says what it leaves out', () => {
    expect(
      client.calls.map(({ id, method, on, after, source }) => [id, method, on, after.join(), source.line]),
    ).toEqual([
      ['updateUser', 'PATCH', 'event', '', 3],
      ['fetchUsers', 'GET', 'event', 'updateUser', 20],
      ['raw', 'DELETE', 'load', '', 21],
    ]);
    expect(client.calls[0]?.timeoutMs).toBe(12_000);
    expect(client.ignored.map(({ what, where }) => `${where.line} ${what}`).toSorted()).toEqual([
      '18 `<Event>` of query `updateUser`',
      '20 `transformer` of query `fetchUsers`',
      '22 `<SqlQueryUnified>` `sql`',
    ]);
  });

  it('is sent by way of the resources of another file', async () => {
    const whole = withResources(client, importLowCode(RESOURCES));
    expect(whole.secrets).toEqual(['KEY']);
    const sent = await sentBy(whole, {
      usersTable: { selectedRow: { id: 42 } },
      dry: { value: '' },
      editEmail: { value: 'a@b.c' },
    });
    expect(sent.map(({ method, path, body, timeoutMs }) => ({ method, path, body, timeoutMs }))).toEqual([
      { method: 'PATCH', path: '/api/v1/users/42?dry=no', body: '{"email":"a@b.c"}', timeoutMs: 12_000 },
      { method: 'GET', path: '/api/v1/users?after=9', body: undefined, timeoutMs: undefined },
    ]);
    expect(sent[0]?.headers).toMatchObject({ authorization: 'Bearer <KEY>', 'content-type': 'application/json' });
    expect(sent[0]?.headers['x-trace']).toHaveLength(36);
  });

  it('is audited, never repeating the credential', () => {
    const findings = auditClient(client);
    expect(findings.map(({ code, call, where }) => [code, call, where.line])).toEqual([
      ['destructive-on-load', 'raw', 21],
      ['plaintext-url', 'raw', 21],
      ['bypasses-gateway', 'raw', 21],
      ['secret-in-plain-text', 'raw', 21],
    ]);
    expect(JSON.stringify(findings)).not.toContain('abc123');
  });
});

describe('Appsmith', () => {
  const action = (name: string, configuration: object, more: object = {}) => ({
    pluginId: 'restapi-plugin',
    pluginType: 'API',
    id: name,
    unpublishedAction: {
      name,
      datasource: { name: 'Orders', pluginId: 'restapi-plugin' },
      actionConfiguration: { httpMethod: 'GET', timeoutInMillisecond: 10_000, ...configuration },
      ...more,
    },
  });

  it('sends the queries of an application export', async () => {
    const client = importLowCode(
      JSON.stringify({
        artifactJsonType: 'APPLICATION',
        exportedApplication: { name: 'Back office' },
        datasourceList: [
          {
            name: 'Orders',
            pluginId: 'restapi-plugin',
            datasourceConfiguration: { url: 'https://api-gateway.internal/api' },
          },
          { name: 'DB', pluginId: 'postgres-plugin' },
        ],
        actionList: [
          action(
            'list',
            {
              path: '/orders',
              headers: [{ key: '', value: '' }],
              queryParameters: [{ key: 'q', value: '{{ search.text }}' }],
            },
            { executeOnLoad: true },
          ),
          action(
            'drop',
            { path: '/orders/{{ list.data.id }}', httpMethod: 'DELETE' },
            { runBehaviour: 'ON_PAGE_LOAD' },
          ),
          { ...action('rows', {}), pluginId: 'postgres-plugin' },
        ],
        actionCollectionList: [],
      }),
    );
    expect(client).toMatchObject({ tool: 'appsmith', app: 'Back office' });
    expect(client.ignored.map(({ what }) => what)).toEqual([
      'data source `DB`',
      'query `rows` of plugin `postgres-plugin`',
      '`actionCollectionList` of an Appsmith export',
    ]);
    const sent = await sentBy(client, { search: { text: 'x y' } });
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/orders?q=x%20y',
      'DELETE /api/orders/9',
    ]);
    expect(auditClient(client).map(({ code, call }) => [code, call])).toEqual([['destructive-on-load', 'drop']]);
  });

  it('reads one query of the git layout', () => {
    const text = JSON.stringify(action('one', { path: '/a', body: '{"a":{{ x.y.map(v => v) }}}' }));
    const client = importLowCode(text);
    expect(client.calls).toHaveLength(1);
    expect(client.ignored[0]?.what).toMatch(/^template: character \d+: /);
  });
});

describe('OpenAPI', () => {
  it('makes a call of every operation, with data kept inside their segment', async () => {
    const client = importLowCode(`openapi: 3.0.3
info: { title: Orders, version: '1' }
servers: [{ url: https://api-gateway.internal/api/v1 }]
paths:
  /orders/{order-id}:
    parameters: [{ name: order-id, in: path, required: true }]
    get: { operationId: getOrder, parameters: [{ name: full, in: query, required: true }, { name: page, in: query }] }
    put: { requestBody: {} }
components: {}
`);
    expect(client.ignored.map(({ what, where }) => `${where.line} ${what}`)).toEqual([
      '7 query parameter `page` of GET `/orders/{order-id}`',
      '9 `components` of an OpenAPI document',
    ]);
    const sent = await sentBy(client, { order_id: '../admin', full: true, body: { a: 1 } });
    expect(sent.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', '/api/v1/orders/..%2Fadmin?full=true', undefined],
      ['PUT', '/api/v1/orders/..%2Fadmin', '{"a":1}'],
    ]);
  });
});

describe('files that are refused', () => {
  it.each([
    ['', 'input:1:1: the file is empty'],
    ['hello', 'input:1:1: a low-code export must be a mapping'],
    ['resorces: []', 'input:1:1: this is no low-code export that is known; did you mean `resources`?'],
    [
      'resources:\n  - name: a\n    type: rest_apii\n',
      'input:3:11: unknown type of resource `rest_apii`; did you mean `rest_api`?',
    ],
    [
      'resources:\n  - name: a\n    type: rest_api\n    base_ulr: x\n',
      'input:2:5: a resource has no `base_url`; `base_ulr` looks like it',
    ],
    [
      'resources:\n  - name: a\n    type: rest_api\n    base_url: x\n    hedaers: {}\n',
      'input:5:5: unknown field `hedaers` in a resource; did you mean `headers`?',
    ],
    [
      'resources:\n  - {name: a, type: rest_api, base_url: x, headers: {A: "{{ generateUUDI() }}"}}',
      'input:2:57: character 4: unknown function `generateUUDI`; did you mean `generateUUID`?',
    ],
    [
      'resources:\n  - {name: a, type: postgresql, host: h, port: 70000, database: d}',
      'input:2:48: `port` of a resource must be an integer from 1 to 65535',
    ],
    [
      'workflow:\n  actions:\n    - {name: a, type: http_reqest, url: x, method: GET}',
      'input:3:23: unknown type of action `http_reqest`; did you mean `http_request`?',
    ],
    ['workflow: {}\n---\nworkflow: {}\n', 'input:2:1: one document was expected, here starts a second'],
  ])('%j', (text, message) => {
    expect(() => importLowCode(text)).toThrow(expect.objectContaining({ message }) as Error);
  });
});

describe('audit', () => {
  const resource = (more: string): LowCodeClient =>
    importLowCode(`resources:\n  - name: a\n    type: rest_api\n    base_url: https://api-gateway.internal/\n${more}`);

  it.each([
    ['    reject_unauthorized: false', ['tls-verification-off']],
    ['    reject_unauthorized: true', []],
    ['    headers: { Authorization: Bearer abc }', ['secret-in-plain-text']],
    ['    headers: { X-Api-Key: "{{ KEY }}" }', []],
    ['    headers: { X-Api-Key: "{{ \'abc\' }}" }', ['secret-in-plain-text']],
    ['    headers: { Authorization: "Bearer {{ KEY }}", Accept: text/plain }', []],
  ])('%s', (more, codes) => {
    expect(auditClient(resource(more)).map(({ code }) => code)).toEqual(codes);
  });

  it('asks the mesh about paths', () => {
    const client = importLowCode(
      'workflow:\n  actions:\n    - {name: a, type: http_request, method: DELETE, url: "https://api-gateway.internal/api/v1/users/@{triggerBody().id}"}',
    );
    const asked: unknown[] = [];
    const findings = auditClient(client, {
      allows: (call) => {
        asked.push(call);
        return { allowed: false, why: 'no rule allows DELETE' };
      },
    });
    expect(asked).toEqual([{ id: 'a', method: 'DELETE', host: 'api-gateway.internal', path: '/api/v1/users/0' }]);
    expect(findings.map(({ message }) => message)).toEqual([
      '`a`: the mesh refuses DELETE /api/v1/users/0 (no rule allows DELETE)',
    ]);
  });
});

describe('platforms', () => {
  it('are listed as in the brief', () => {
    expect(formatLowCodePlatforms()).toBe(
      [
        'Low Code Platforms:',
        ' Retool: Internal Tools — Free tier + $10/user',
        ' Power Apps: Business Apps — $20/user/month',
        ' Mendix: Enterprise Apps — Contact Sales',
        ' OutSystems: Enterprise Apps — Contact Sales',
        ' Appsmith: Internal Tools (OSS) — Free (self-hosted)',
        ' Budibase: Internal Tools (OSS) — Free (self-hosted)',
      ].join('\n'),
    );
  });
});
