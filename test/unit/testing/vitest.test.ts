/* oxlint-disable vitest/valid-expect -- the rule takes every matcher that is named toReject for a promise */
import { describe, expect, it } from 'vitest';
import { meshTest, toAllow } from '../../../src/testing/vitest.ts';
import { MANIFESTS } from '../../kit/policy-test-files.ts';

const test = meshTest({ yaml: MANIFESTS });
const read = { from: 'shop/web', to: 'shop/cart', path: '/items/1' };

function messageOf(claim: () => void): string {
  try {
    claim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('the claim held');
}

describe('matchers', () => {
  test('hold for a mesh, by the model', ({ mesh }) => {
    expect(mesh).toAllow(read);
    expect(mesh).toUseMutualTls(read);
    expect(mesh).not.toAllow({ ...read, method: 'POST' });
    expect(mesh).toDeny({ ...read, method: 'DELETE' });
    expect(mesh).not.toDeny({ ...read, from: 'outside' });
    expect(mesh).toBeDeniedBy({ ...read, method: 'DELETE' }, 'shop/no-deletes');
    expect(mesh).toBeDeniedBy({ ...read, method: 'DELETE' }, 'AuthorizationPolicy/shop/no-deletes[0]');
    expect(mesh).toBeDeniedBy({ ...read, method: 'POST' }, 'cart-readers');
    expect(mesh).not.toBeDeniedBy({ ...read, method: 'POST' }, 'no-deletes');
    expect(mesh).not.toBeDeniedBy(read, 'cart-readers');
    expect(mesh).toReject({ ...read, from: 'outside' });
    expect(mesh).toReject({ ...read, from: 'outside' }, 'filter_chain_not_found');
    expect(mesh).not.toReject({ ...read, from: 'outside' }, 'expired');
    expect(mesh).not.toUseMutualTls({ ...read, from: 'shop/web', to: 'shop/cron' });
  });

  test('hold for outcomes of the wire', async ({ mesh }) => {
    expect(await mesh.request(read)).toAllow();
    expect(await mesh.request(read)).toUseMutualTls();
    expect(await mesh.request({ ...read, method: 'DELETE' })).toBeDeniedBy('shop/no-deletes');
    expect(await mesh.request({ ...read, from: 'outside' })).toReject();
    const denied = await mesh.request({ ...read, method: 'POST' });
    expect(denied).toBeDeniedBy('AuthorizationPolicy/shop/cart-readers');
    expect(denied).not.toBeDeniedBy('no-deletes');
    await expect(mesh.request(read)).resolves.toAllow();
    expect(messageOf(() => expect(denied).toAllow())).toContain(
      'rules[0].to[0].operation.methods: saw `POST`, expected `GET`, `DELETE`',
    );
  });

  test('say what they take', ({ mesh }) => {
    expect(messageOf(() => expect(mesh.request(read)).toAllow())).toContain(
      'got a promise: expect(await mesh.request(…))',
    );
    expect(messageOf(() => expect(undefined).toAllow())).toContain('expected a mesh, or the outcome');
  });

  test('explain', ({ mesh }) => {
    const message = messageOf(() => expect(mesh).toAllow({ ...read, method: 'POST' }));
    expect(message).toContain('expected the mesh to allow the request');
    expect(message).toContain('shop/web → shop/cart POST /items/1');
    expect(message).toContain('nearest ALLOW rule: shop/cart-readers rules[0], one clause fails');
    expect(message).toContain('got: deny 403 (no ALLOW policy matched)');
    expect(messageOf(() => expect(mesh).not.toAllow(read))).toContain('expected the mesh not to allow the request');
    expect(messageOf(() => expect(mesh).toAllow())).toContain('a mesh is asked about a request');
  });

  test('are plain functions, too', ({ mesh }) => {
    expect(toAllow(mesh, read)).toMatchObject({ pass: true });
  });
});

describe('meshTest', () => {
  const seen: { close(): Promise<void>; predict(request: typeof read): unknown }[] = [];
  test('starts a mesh', ({ mesh }) => {
    seen.push(mesh);
  });
  it('and closes it', () => {
    expect(() => seen[0]?.predict(read)).toThrow('the mesh is closed');
  });
});
