import { describe, expect, it } from 'vitest';
import { alignColumns, renderAuthorizationTable } from '../../../src/telemetry/index.ts';

const BY = { kind: 'AuthorizationPolicy', namespace: 'default', name: 'api-gateway-policy', rule: 0 };

describe('renderAuthorizationTable', () => {
  it('aligns the columns and names the rule', () => {
    const rows = [
      { from: 'frontend', to: 'api-gateway:8080', method: 'GET', path: '/api/users', status: 200, by: BY },
      {
        from: 'retool',
        to: 'api-gateway:8080',
        method: 'DELETE',
        path: '/',
        status: 403,
        by: 'no ALLOW policy matched',
      },
    ];
    expect(renderAuthorizationTable(rows)).toBe(
      [
        'FROM       TO                 METHOD   PATH         STATUS   BY',
        'frontend   api-gateway:8080   GET      /api/users   200      default/api-gateway-policy rule 0',
        'retool     api-gateway:8080   DELETE   /            403      no ALLOW policy matched',
      ].join('\n'),
    );
  });

  it('compares where something was expected', () => {
    const row = { from: 'a', to: 'b', method: 'GET', path: '/' };
    expect(
      renderAuthorizationTable([
        { ...row, expected: 200, status: 200, by: { kind: 'AuthorizationPolicy', namespace: 'n', name: 'p' } },
        { ...row, expected: 403, status: 200 },
        { ...row, status: 404 },
      ]).split('\n'),
    ).toEqual([
      'FROM   TO   METHOD   PATH   EXPECTED   STATUS   RESULT   BY',
      'a      b    GET      /      200        200      ok       n/p',
      'a      b    GET      /      403        200      WRONG    -',
      'a      b    GET      /      -          404      -        -',
    ]);
  });

  it('prints the header of an empty table', () => {
    expect(renderAuthorizationTable([])).toBe('FROM   TO   METHOD   PATH   STATUS   BY');
  });
});

describe('alignColumns', () => {
  it('takes ragged rows and leaves no space at the end', () => {
    expect(alignColumns([['a', 'b', 'c'], ['long'], []], 2)).toEqual(['a     b  c', 'long', '']);
    expect(alignColumns([])).toEqual([]);
  });
});
