import { expect, test } from 'vitest';
import { renderSql } from '../../src/model/render-sql.js';
import { withTimeLimit } from '../../src/model/with-time-limit.js';
import type { PipelineError } from '../../src/errors.js';

const context = {
  refs: new Map([
    ['demand', '"main"."demand"'],
    ['weather', '"main"."weather"'],
  ]),
  sources: new Map([
    ['rides.hours', '"raw"."hours"'],
    ['stations', '"raw"."stations"'],
  ]),
};
const render = (sql: string, more = {}) => renderSql({ name: 'a', file: 'sql/a.sql', sql }, { ...context, ...more });
const failure = (sql: string, more = {}): Pick<PipelineError, 'code' | 'at' | 'message' | 'next'> => {
  try {
    render(sql, more);
  } catch (error) {
    return error as PipelineError;
  }
  throw new Error('expected an error');
};

test('puts in what ref, source, this and interval stand for, and lists the names', () => {
  const rendered = render(
    `SELECT * FROM {{ ref('demand') }} JOIN {{ source("rides", 'hours') }} USING (h), {{ source('rides') }}, {{ source('stations') }}, {{ this }} WHERE d >= '{{ interval.start }}'`,
    { self: '"s"."x"', interval: { start: '2024-01-01T00:00:00Z', end: '2024-01-02T00:00:00Z', timezone: 'UTC' } },
  );
  expect(rendered.sql).toBe(
    `SELECT * FROM "main"."demand" JOIN "raw"."hours" USING (h), "raw"."hours", "raw"."stations", "s"."x" WHERE d >= '2024-01-01T00:00:00Z'`,
  );
  expect(rendered.uses).toEqual({ interval: '2024-01-01/2024-01-02' });
  expect(rendered.refs).toEqual(['demand']);
  expect(rendered.sources).toEqual(['rides.hours', 'stations']);
});

test('leaves quotes, ampersands and angle brackets alone', () => {
  const sql = `SELECT '<a> & "b"' AS "x<y", e'\\n' || '{1,2}' WHERE 1 < 2`;
  expect(render(sql).sql).toBe(sql);
});

test('keeps the settings at the top as they are', () => {
  const sql = `-- tests: [{ sql: "select * from {{ this }} where {{ ref('nothing') }}" }]\n\n-- {% broken\nSELECT 1`;
  expect(render(sql)).toMatchObject({ sql, refs: [] });
});

test('keeps line numbers over tags and comments of several lines', () => {
  const sql =
    "-- a: b\nSELECT {# one\ntwo\nthree #} 1,\n  {{ ref(\n 'demand'\n) }}\n{% if\n false %}\n, nothing\n{% endif %}\nFROM x";
  const rendered = render(sql);
  const lines = rendered.sql.split('\n');
  expect(lines[11]).toBe('FROM x');
  expect(rendered.sql.replace(/\s+/g, ' ')).toBe('-- a: b SELECT 1, "main"."demand" FROM x');
  expect(rendered.lines[11]).toBe(12);
});

test('knows the line of the file for every line that a loop repeats', () => {
  const { sql, lines } = render('SELECT\n{% for c in ["a", "b"] %}\n  {{ c }},\n{% endfor %}\n1');
  const shown = sql.split('\n').map((line, index) => [line.trim(), lines[index]]);
  expect(shown.filter(([line]) => line !== '')).toEqual([
    ['SELECT', 1],
    ['a,', 3],
    ['b,', 3],
    ['1', 5],
  ]);
});

test('trims white space as the template says', () => {
  expect(render('SELECT\n  {%- set x = 3 -%}\n  {{ x }}').sql.replace(/\n/g, '')).toBe('SELECT3');
});

test('reads Windows line ends', () => {
  expect(render("-- a: b\r\nSELECT\r\n{{ ref('demand') }}").sql).toBe('-- a: b\nSELECT\n"main"."demand"');
});

test('says which name was near an unknown ref, at its line', () => {
  expect(failure("-- x: y\nSELECT *\nFROM {{ ref('demnad') }}")).toMatchObject({
    code: 'SQL_UNKNOWN_REF',
    at: { file: 'sql/a.sql', line: 3 },
    message: expect.stringContaining("ref('demnad')") as string,
    next: expect.stringContaining('demand') as string,
  });
  expect(failure("SELECT *\nFROM {{ source('rides', 'hour') }}")).toMatchObject({
    code: 'SQL_UNKNOWN_REF',
    at: { line: 2 },
    next: expect.stringContaining('rides.hours') as string,
  });
});

test.each([
  ['an unknown variable', 'SELECT 1\n, {{ nothing }}', 2, '`nothing` is not defined'],
  ['an unknown variable in a branch not taken', '\n{% if false %}\n{{ thiss }}{% endif %}', 3, 'thiss'],
  ['settings of dbt', '\n{{ config(materialized="table") }} SELECT 1', 2, 'plumbline has no `config(…)`'],
  ['an unknown function', 'SELECT\n\n{{ reff("demand") }}', 3, '`reff` is not defined (nearest: `ref`)'],
  ['an unknown filter', 'SELECT\n{{ 1 | nofilter }}', 2, 'nofilter'],
  ['this where there is none', 'SELECT\n{{ this }}', 2, '`this` is not defined'],
  ['an interval that was not given', "SELECT 1\nWHERE d > '{{ interval.start }}'", 2, 'null or undefined'],
  ['a block that is not closed', 'SELECT\n{% if true\n x', 3, 'expected block end'],
  ['an unknown block', 'SELECT\n\n{% foo %}', 3, 'unknown block tag'],
  ['another file', "\n{% include 'secret' %}", 2, 'cannot read other templates'],
  ['a way to make code', '\n{{ ref["con" + "structor"]("return 1")() }}', 2, 'cannot look up `constructor`'],
  [
    'a name that every object has',
    '\n{% if false %}{% set constructor = 1 %}{% endif %}{{ constructor }}',
    2,
    'cannot use `constructor`',
  ],
  ['a filter that every object has', '\n{% set context = "x" | valueOf %}', 2, 'there is no filter `valueOf`'],
  ['a name that ends a text', '\n{{ [true or 1 is x\\, "), 1], 2);//"] }}', 2, '`x\\` is no name'],
  ['a text after is', '\n{{ 1 is \'") || (x) || ("\' }}', 2, 'after `is` stands the name of a test'],
  ['values after is that become one', '\n{{ 1 is sameas(ref, ["constructor"], ("x")) }}', 2, 'with at most one value'],
  ['a test that every object has', '\n{{ "lookup" is __defineGetter__(ref) }}', 2, 'the name of a test'],
  ['a name in the value of a test', '\n{{ 1 is sameas(constructor) }}', 2, 'cannot use `constructor`'],
  [
    'a name between set and endset',
    '\n{% set x %}\n{{ constructor }}{% endset %}{{ x }}',
    3,
    'cannot use `constructor`',
  ],
  ['a text that is set', '\n{% set \'"+x+"\' = 1 %}', 2, 'is no name'],
  ['a text of a loop', '\n{% for a, \'"+x+"\' in {b: 1} %}{% endfor %}', 2, 'is no name'],
  ['a text as a macro', '\n{% macro \'"+x+"\'() %}{% endmacro %}', 2, 'is no name'],
  ['a text as an argument', '\n{% macro m(\'"+x+"\'=1) %}{% endmacro %}', 2, 'is no name'],
  [
    'a text as an argument of a caller',
    '\n{% macro m() %}{% endmacro %}{% call(\'"+x+"\'=1) m() %}{% endcall %}',
    2,
    'is no name',
  ],
  ['a call whose name ends a text', '\n{{ ref[\'\\\\", (x), "\']() }}', 2, 'Unable to call'],
  ['a range without end', '\n{% for i in range(1000000000) %}{{ i }}{% endfor %}', 2, 'more than 100,000 numbers'],
  ['a loop that waits', '\n{% asyncEach runtime in [1] %}{% endeach %}', 2, 'waits for nothing'],
  ['a ref that is not a name', '\n\n{{ ref(3) }}', 3, 'expects one name'],
  ['a ref without a name', '\n\n{{ ref() }}', 3, 'expects one name'],
])('names the line of %s', (_, sql, line, problem) => {
  expect(failure(sql)).toMatchObject({
    code: 'SQL_TEMPLATE',
    at: { file: 'sql/a.sql', line },
    message: expect.stringContaining(problem) as string,
  });
});

test('ends a template that takes for ever, be it in a pattern, and says which file', () => {
  expect(failure(`{{ "${'a'.repeat(40)}b" | replace(r/^(a+)+$/, "") }}`)).toMatchObject({
    code: 'SQL_TEMPLATE',
    at: { file: 'sql/a.sql' },
    message: 'Rendering sql/a.sql failed: it took longer than 1000 ms.',
  });
  // A process that was stopped for a while begins once more.
  let begun = 0;
  const stopped = (): number => {
    if (++begun === 1) for (;;);
    return begun;
  };
  expect(withTimeLimit(20, stopped)).toBe(2);
  expect(() => withTimeLimit(20, () => { throw new RangeError('own'); })).toThrow(new RangeError('own'));
}); // prettier-ignore

test('says where an interval has a value', () => {
  expect(failure("SELECT '{{ interval.start }}'")).toMatchObject({
    message: 'Rendering sql/a.sql failed: a value is null or undefined.',
    next: expect.stringContaining('interval.start and interval.end have a value in sql') as string,
  });
});

test('knows loop variables, macros, keyword arguments and tests', () => {
  const sql = `{% macro lag(h, by=1) %}lag({{ h }}, {{ by }}){% endmacro %}{% set n = 2 %}{% if interval.start is defined %}x{% endif %}{% for i in range(0, n) %}{{ loop.index }}{{ lag('a', by=i) }} {% endfor %}{{ n | string }}`;
  expect(render(sql).sql).toBe('1lag(a, 0) 2lag(a, 1) 2');
});
