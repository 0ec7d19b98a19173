/**
 * Functions of Workflow Definition Language, by the examples and rules of the reference.
 * Source: https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
 */
import { describe, expect, it } from 'vitest';
import { MeshError, parseInstant, Rng } from '../../../src/core/index.ts';
import { evaluateWdl, type Json, type WdlScope } from '../../../src/lowcode/index.ts';

const scope: WdlScope = {
  now: parseInstant('2018-04-15T13:00:00Z'),
  rng: new Rng('wdl'),
  trigger: { headers: { 'x-a': '1' }, body: { id: 7, lines: [{ sku: 'a' }, { sku: 'b' }], none: null } },
  actions: new Map([
    ['Get_order', { status: 'Succeeded', outputs: { statusCode: 200, body: { total: 12.5, 'e-mail': 'a@b.c' } } }],
  ]),
  variables: new Map<string, Json>([['count', 3]]),
  parameter: (name) => (name === 'region' ? 'th' : undefined),
  parameterNames: ['region', 'empty'],
  loops: [
    { name: 'Each_order', item: { id: 1 } },
    { name: 'Each_line', item: 'x' },
  ],
  workflowName: 'orders',
};

const VALUES: readonly (readonly [expression: string, value: Json])[] = [
  ['add(1, 1.5)', 2.5],
  ['sub(10.3, 0.3)', 10],
  ['mul(1, 2)', 2],
  ['mul(1.5, 2)', 3],
  ['div(10, 5)', 2],
  ['div(11, 5)', 2],
  ['div(11, 5.0)', 2.2],
  ['div(11.0, 5)', 2.2],
  ['mod(3, 2)', 1],
  ['max(1, 2, 3)', 3],
  ['min(createArray(1, 2, 3))', 1],
  ['range(1, 4)', [1, 2, 3, 4]],
  ['and(true, true)', true],
  ['and(equals(1, 1), equals(1, 2))', false],
  ['or(false, true)', true],
  ['not(equals(1, 1))', false],
  ["if(equals(1, 1), 'yes', 'no')", 'yes'],
  ['equals(true, 1)', false],
  ["equals('abc', 'abcd')", false],
  ['greater(10, 5)', true],
  ["greater('apple', 'banana')", false],
  ['greaterOrEquals(5, 5)', true],
  ['less(5, 10)', true],
  ["less('banana', 'apple')", false],
  ['lessOrEquals(10, 5)', false],
  ["coalesce(null, 'hello', 'world')", 'hello'],
  ['coalesce(null, null, null)', null],
  ["empty('')", true],
  ["empty('abc')", false],
  ['empty(null)', true],
  ["length('abcd')", 4],
  ['length(createArray(0, 1, 2, 3))', 4],
  ["contains('hello world', 'world')", true],
  ["contains('hello world', 'universe')", false],
  ['contains(createArray(1, 2), 2)', true],
  ["contains(triggerBody(), 'id')", true],
  ["first('hello')", 'h'],
  ['first(createArray(0, 1, 2))', 0],
  ["last('abcd')", 'd'],
  ['last(createArray(0, 1, 2, 3))', 3],
  ['skip(createArray(0, 1, 2, 3), 1)', [1, 2, 3]],
  ["take('abcde', 3)", 'abc'],
  ['take(createArray(0, 1, 2, 3, 4), 3)', [0, 1, 2]],
  ["join(createArray('a', 'b', 'c'), '.')", 'a.b.c'],
  ['reverse(createArray(0, 1, 2, 3))', [3, 2, 1, 0]],
  ['sort(createArray(2, 1, 0, 3))', [0, 1, 2, 3]],
  ['union(createArray(1, 2, 3), createArray(1, 2, 10, 101))', [1, 2, 3, 10, 101]],
  ['intersection(createArray(1, 2, 3), createArray(101, 2, 1, 10), createArray(6, 8, 1, 2))', [1, 2]],
  ["createArray('h', 'e', 'l', 'l', 'o')", ['h', 'e', 'l', 'l', 'o']],
  ["array('hello')", ['hello']],
  ["concat('Hello', 'World')", 'HelloWorld'],
  ["concat('n: ', 1, true)", 'n: 1True'],
  ["endsWith('hello world', 'world')", true],
  ["endsWith('hello world', 'WORLD')", true],
  ["startsWith('hello world', 'greetings')", false],
  ["indexOf('hello world', 'world')", 6],
  ["lastIndexOf('hello world hello world', 'world')", 18],
  ["replace('the old string', 'old', 'new')", 'the new string'],
  ["split('a,b,c', ',')", ['a', 'b', 'c']],
  ["substring('hello world', 6, 5)", 'world'],
  ["slice('Hello World', 2, 5)", 'llo'],
  ["slice('Hello World', -2)", 'ld'],
  ["toLower('Hello World')", 'hello world'],
  ["TOUPPER('Hello World')", 'HELLO WORLD'],
  ["trim(' Hello World  ')", 'Hello World'],
  ['string(10)', '10'],
  ["string(triggerBody()?['lines'])", '[{"sku":"a"},{"sku":"b"}]'],
  ["int('10')", 10],
  ["float('10.333')", 10.333],
  ['bool(1)', true],
  ["bool('true')", true],
  ["isInt('10')", true],
  ["isInt('10.0')", false],
  ["isFloat('10.5')", true],
  ["json('[1, 2, 3]')", [1, 2, 3]],
  ['json(\'{"fullName": "Sophia Owen"}\').fullName', 'Sophia Owen'],
  ["base64('hello')", 'aGVsbG8='],
  ["base64ToString('aGVsbG8=')", 'hello'],
  ["base64ToString(base64('สวัสดี'))", 'สวัสดี'],
  ["encodeUriComponent('https://contoso.com')", 'https%3A%2F%2Fcontoso.com'],
  ["decodeUriComponent('https%3A%2F%2Fcontoso.com')", 'https://contoso.com'],
  ["uriHost('https://www.localhost.com:8080')", 'www.localhost.com'],
  ["uriPort('https://www.localhost.com:8080')", 8080],
  ["uriPathAndQuery('https://a.b/catalog/shownew.htm?date=today')", '/catalog/shownew.htm?date=today'],
  ["uriScheme('https://www.contoso.com')", 'https'],
  ["addProperty(json('{\"a\":1}'), 'b', 2)", { a: 1, b: 2 }],
  ["setProperty(json('{\"a\":1}'), 'a', 2)", { a: 2 }],
  ['removeProperty(json(\'{"a":1,"b":2}\'), \'a\')', { b: 2 }],
  ['utcNow()', '2018-04-15T13:00:00.0000000Z'],
  ["utcNow('D')", 'Sunday, April 15, 2018'],
  ["utcNow('yyyy-MM-dd')", '2018-04-15'],
  ["addDays('2018-03-15T00:00:00Z', 10)", '2018-03-25T00:00:00.0000000Z'],
  ["addDays('2018-03-15T00:00:00Z', -5)", '2018-03-10T00:00:00.0000000Z'],
  ["addHours('2018-03-15T00:00:00Z', 10)", '2018-03-15T10:00:00.0000000Z'],
  ["addMinutes('2018-03-15T00:20:00Z', -5)", '2018-03-15T00:15:00.0000000Z'],
  ["addSeconds('2018-03-15T00:00:30Z', -5)", '2018-03-15T00:00:25.0000000Z'],
  ["addToTime('2018-01-01T00:00:00Z', 1, 'Day')", '2018-01-02T00:00:00.0000000Z'],
  ["addToTime('2018-01-01T00:00:00Z', 1, 'Day', 'D')", 'Tuesday, January 2, 2018'],
  ["addToTime('2018-01-31T00:00:00Z', 1, 'Month', 'yyyy-MM-dd')", '2018-02-28'],
  ["subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day')", '2018-01-01T00:00:00.0000000Z'],
  ["dayOfMonth('2018-03-15T13:27:36Z')", 15],
  ["dayOfWeek('2018-03-15T13:27:36Z')", 4],
  ["dayOfYear('2018-03-15T13:27:36Z')", 74],
  ["formatDateTime('03/15/2018 12:00:00', 'yyyy-MM-ddTHH:mm:ss')", '2018-03-15T12:00:00'],
  ["startOfDay('2018-03-15T13:30:30Z')", '2018-03-15T00:00:00.0000000Z'],
  ["startOfHour('2018-03-15T13:30:30Z')", '2018-03-15T13:00:00.0000000Z'],
  ["startOfMonth('2018-03-15T13:30:30Z')", '2018-03-01T00:00:00.0000000Z'],
  ["formatDateTime('2018-03-15T15:04:05.678Z', 'hh:mm:ss.fff tt')", '03:04:05.678 PM'],
  ["triggerBody()['id']", 7],
  ['triggerBody().lines[1].sku', 'b'],
  ["triggerBody()?['missing']?['deeper']", null],
  ['triggerBody()?.missing', null],
  ["triggerOutputs()['headers']['x-a']", '1'],
  ["body('Get_order')['e-mail']", 'a@b.c'],
  ["body('Get order').total", 12.5],
  ["outputs('Get_order')['statusCode']", 200],
  ["variables('count')", 3],
  ["parameters('region')", 'th'],
  ['item()', 'x'],
  ["items('Each_order')?['id']", 1],
  ['workflow().name', 'orders'],
  ["'it''s'", "it's"],
  ['-1.5e3', -1500],
];

describe('wdl/functions: values', () => {
  it.each(VALUES)('%s', (expression, value) => {
    expect(evaluateWdl(`@${expression}`, scope)).toEqual(value);
  });

  it('makes a GUID of the seeded generator', () => {
    const text = evaluateWdl('@guid()', { ...scope, rng: new Rng('a') });
    expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(evaluateWdl('@guid()', { ...scope, rng: new Rng('a') })).toBe(text);
    expect(evaluateWdl('@guid()', { ...scope, rng: new Rng('b') })).not.toBe(text);
  });
});

const ERRORS: readonly (readonly [expression: string, message: RegExp])[] = [
  ["@bodi('x')", /^character 2: unknown function `bodi`; did you mean `body`\?$/],
  ["@concat('a', toLowr('B'))", /^character 14: unknown function `toLowr`; did you mean `toLower`\?$/],
  ['@if(true, 1)', /^character 2: `if` takes 3 arguments, not 2$/],
  ["@triggerBody()['missing']", /there is no property `missing`/],
  ['@triggerBody().lines[2]', /no element `2` in an array of 2/],
  ['@triggerBody().none.x', /property `x` of null cannot be read/],
  ["@if('true', 1, 2)", /`if`: argument 1 must be a boolean, not string/],
  ['@if(true, 1, div(1, 0))', /`div`: division by zero/],
  ["@body('Get_ordr')", /no action `Get_ordr` has a value here; did you mean `Get_order`\?/],
  ["@variables('coutn')", /did you mean `count`\?/],
  ["@parameters('empty')", /parameter `empty` has no value/],
  ["@items('Other')", /no loop `Other`/],
  ["@add('1', 2)", /argument 1 must be a number, not string/],
  ["@substring('abc', 2, 5)", /characters 2 to 7 are not all within a text of 3/],
  ["@concat('a'", /unexpected end instead of `\)`/],
  ["@concat('a", /text is never closed/],
  ['@hello', /is neither a call nor a literal/],
  ["@concat('a') b", /unexpected `b`/],
  ["x @{concat('a') y", /`@\{` is never closed/],
  ['@1 == 1', /unexpected `=`/],
];

describe('wdl/expressions: errors', () => {
  it.each(ERRORS)('%s', (template, message) => {
    let caught: unknown;
    try {
      evaluateWdl(template, scope);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(MeshError);
    expect(caught).toMatchObject({ code: 'ERR_EXPRESSION', message: expect.stringMatching(message) as string });
  });
});

const TEMPLATES: readonly (readonly [template: Json, value: Json])[] = [
  ["@triggerBody()['id']", 7],
  ["@{triggerBody()['id']}", '7'],
  ["id=@{triggerBody()['id']}, @{toUpper('x')}", 'id=7, X'],
  ['@@concat()', '@concat()'],
  ['@@', '@'],
  ['a@b.c', 'a@b.c'],
  ['mail: a@@{x}', 'mail: a@{x}'],
  ["@{'}'}", '}'],
  ['@{null}|@{true}|@{createArray(1)}', '|True|[1]'],
  ['', ''],
  [
    { to: "@body('Get_order')?['e-mail']", list: ['@item()', 1, null] },
    { to: 'a@b.c', list: ['x', 1, null] },
  ],
];

describe('wdl/templates', () => {
  it.each(TEMPLATES)('%j', (template, value) => {
    expect(evaluateWdl(template, scope)).toEqual(value);
  });
});

describe('wdl/limits', () => {
  it.each([
    ['deep nesting', `@${'concat('.repeat(5000)}'a'${')'.repeat(5000)}`],
    ['deep members', `@triggerBody()${"['a']".repeat(3000)}`],
    ['a long expression', `@concat('${'a'.repeat(9000)}')`],
    [
      'texts that grow',
      "@replace(replace(join(range(0,100000),','), ',', 'xxxxxxxxxxxxxxxxxxxx'), 'x', 'yyyyyyyyyyyyyyyyyyyyyyyy')",
    ],
    [
      'deep JSON',
      "@json(concat(join(createArray('[[[[[[[[[[','[[[[[[[[[['),'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['),'1'))",
    ],
    ['a huge range', '@range(0, 1000000000)'],
    ['a huge number', '@1e999'],
  ])('%s is refused', (_, template) => {
    expect(() => evaluateWdl(template, scope)).toThrow(MeshError);
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length'])(
    'the inherited name %s is never reached',
    (name) => {
      expect(evaluateWdl(`@triggerBody()?['${name}']`, scope)).toBeNull();
      expect(evaluateWdl(`@triggerBody()?.lines?['${name}']`, scope)).toBeNull();
      expect(evaluateWdl(`@string(1)?['${name}']`, scope)).toBeNull();
    },
  );

  it('never pollutes a prototype', () => {
    const template = `@setProperty(json('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'), 'a', 1)`;
    expect(evaluateWdl(template, scope)).toEqual({ a: 1 });
    expect(() => evaluateWdl(`@setProperty(json('{}'), '__proto__', json('{"polluted":1}'))`, scope)).toThrow(
      MeshError,
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
