import { describe, expect, test } from 'vitest';
import type { PipelineError } from '../../src/errors.js';
import type { MacroFile } from '../../src/model/project.js';
import { renderSql } from '../../src/model/render-sql.js';

const context = {
  refs: new Map([['demand', '"main"."demand"']]),
  sources: new Map(),
  vars: { tax: 0.2, shops: ['a', 'b'] },
};
const render = (sql: string, ...macros: MacroFile[]) =>
  renderSql({ name: 'a', file: 'sql/a.sql', sql }, { ...context, macros });
const failure = (sql: string, ...macros: MacroFile[]): Pick<PipelineError, 'code' | 'at' | 'message' | 'next'> => {
  try {
    render(sql, ...macros);
  } catch (error) {
    return error as PipelineError;
  }
  throw new Error('expected an error');
};
const money: MacroFile = {
  file: 'macros/money.sql',
  sql: `-- Amounts.
{% macro cents(column) %}({{ column }} / 100.0){% endmacro %}

{% macro gross(column) %}{{ cents(column) }} * {{ 1 + var('tax') }}{% endmacro %}
`,
};

describe('var', () => {
  test('gives what plumbline.yaml says, or the default', () => {
    const { sql, uses } = render(
      `SELECT {{ var('tax') }}, {{ var('rate', 3) }}{% for s in var('shops') %}, '{{ s }}'{% endfor %}`,
    );
    expect(sql).toBe(`SELECT 0.2, 3, 'a', 'b'`);
    expect(uses).toEqual({ 'var tax': '0.2', 'var rate': '3', 'var shops': '["a","b"]' });
  });

  test('names the nearest var and the line of one that is not there', () => {
    expect(failure(`SELECT\n {{ var('tx') }}`)).toMatchObject({
      code: 'SQL_UNKNOWN_VAR',
      at: { file: 'sql/a.sql', line: 2 },
      next: expect.stringContaining('Nearest name: tax') as string,
    });
    expect(failure(`SELECT {{ var(tax=1) }}`)).toMatchObject({ code: 'SQL_TEMPLATE', at: { file: 'sql/a.sql' } });
  });
});

describe('macros', () => {
  test('can be called from SQL and from each other, and know ref and var', () => {
    const rows: MacroFile = {
      file: 'macros/rows.sql',
      sql: `{% macro paid() %}{{ ref('demand') }} WHERE {{ gross('x') }} > 0{% endmacro %}`,
    };
    const { sql, refs, uses } = render(`SELECT {{ gross('amount') }} FROM {{ paid() }}`, money, rows);
    expect(sql).toBe('SELECT (amount / 100.0) * 1.2 FROM "main"."demand" WHERE (x / 100.0) * 1.2 > 0');
    expect(refs).toEqual(['demand']);
    expect(Object.keys(uses)).toEqual(['macro cents', 'macro gross', 'macro paid', 'var tax']);
  });

  test('that are not called count for nothing; one that says something else is another one', () => {
    const changed = { ...money, sql: money.sql.replace('100.0', '100') };
    const moved = { ...money, sql: `-- moved\n\n${money.sql}` };
    expect(render('SELECT 1', money).uses).toEqual({});
    const before = render(`SELECT {{ gross('x') }}`, money).uses;
    expect(render(`SELECT {{ gross('x') }}`, moved).uses).toEqual(before);
    const after = render(`SELECT {{ gross('x') }}`, changed).uses;
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual(['macro cents']);
  });

  test.each([
    ['an unknown name', '\n{% macro m(x) %}\n{{ y }}\n{% endmacro %}', 3, '`y` is not defined'],
    ['a tag that is not closed', '{% macro m() %}\n{{ 1 }}', 2, ''],
    ['text outside a macro', '{% macro m() %}1{% endmacro %}\n\nSELECT 1', 1, 'outside its macros'],
    ['a name that is taken', '\n{% macro ref(x) %}{{ x }}{% endmacro %}', 2, 'cannot be called `ref`'],
    ['a missing argument', '\n{% macro m(x) %}\n  {{ x }}{% endmacro %}', 3, 'a value is null'],
  ])('%s is shown at the line of the macro file', (_, sql, line, problem) => {
    expect(failure('SELECT 1,\n {{ m() }}', { file: 'macros/m.sql', sql })).toMatchObject({
      code: 'SQL_TEMPLATE',
      at: { file: 'macros/m.sql', line },
      message: expect.stringContaining(problem) as string,
    });
  });

  test('what a macro cannot find is shown at the call, with the macro by name', () => {
    const sql = `{% macro m() %}{{ ref('demnad') }}{% endmacro %}`;
    expect(failure('SELECT *\nFROM {{ m() }}', money, { file: 'macros/m.sql', sql })).toMatchObject({
      code: 'SQL_UNKNOWN_REF',
      at: { file: 'sql/a.sql', line: 2 },
      message: expect.stringContaining('macro m (macros/m.sql:1)') as string,
    });
  });

  test('of one file that is not closed do not reach into the next one', () => {
    const open = { file: 'macros/a.sql', sql: '{% macro a() %}{% endmacro %}\n{% raw %}' };
    const inside = `{% macro b() %}{{ '{% endraw %}{% macro c() %}{{ constructor.name }}{% endmacro %}{#' }}{% endmacro %}{##}`;
    expect(failure('{{ b() }}', open, { file: 'macros/b.sql', sql: inside }).message).toMatch(
      'cannot use `constructor`',
    );
    const set = (text: string) => ({
      file: 'macros/s.sql',
      sql: `{% macro s() %}{% set x %}${text}{% endset %}{{ x }}{% endmacro %}`,
    });
    expect(render('{{ s() }}', set('1')).uses).not.toEqual(render('{{ s() }}', set('2')).uses);
  });

  test('of one name in two files are refused', () => {
    expect(failure('SELECT 1', money, { ...money, file: 'macros/other.sql' })).toMatchObject({
      at: { file: 'macros/other.sql', line: 2 },
      message: expect.stringContaining('macros/money.sql:2') as string,
    });
  });

  test('keep the lines of the file that calls them', () => {
    const sql = '{% macro list() %}a,\n b,\n c{% endmacro %}';
    const rendered = render('SELECT {{ list() }},\nd', { file: 'macros/m.sql', sql });
    expect(rendered.sql.split('\n')).toEqual(['SELECT a,', ' b,', ' c,', 'd']);
    expect(rendered.lines).toEqual([1, 1, 1, 2]);
  });
});
