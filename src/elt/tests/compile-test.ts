import { TerminalError } from '../../errors.js';
import type { DataTest } from '../../model/project.js';
import { renderSql, type RenderedSql, type SqlContext, type SqlNames } from '../../model/render-sql.js';
import { identifier, literal, qualified } from '../../model/sql-identifier.js';
import { singleStatement } from '../../model/single-statement.js';

/** Stands for the table under test until it is known: `sql.replaceAll(TABLE_UNDER_TEST, …)`. */
export const TABLE_UNDER_TEST = qualified('plumbline', 'table under test');

export interface CompiledTest {
  /** `unique(hour_at)`, as reports show it. */
  readonly name: string;
  readonly kind: DataTest['kind'];
  readonly severity: 'warn' | 'error';
  /** Gives the failing rows (for `unique` and `accepted_values`: the failing values); none when the test passes. */
  readonly sql: string;
  readonly at: { readonly file: string; readonly line: number };
  /** Transforms and resources the test reads beside its table. */
  readonly refs: readonly string[];
  readonly sources: readonly string[];
  /** Vars and macros it uses. */
  readonly uses: Readonly<Record<string, string>>;
}

export interface TestContext extends SqlNames, Pick<SqlContext, 'interval'> {
  /** The transform that the tests belong to; `ref` to it means the table under test. */
  readonly name: string;
}

/**
 * One SQL for each test, with the meaning dbt gives it: NULL passes `unique`, `accepted_values`, `accepted_range`,
 * `expression_is_true` and `relationships`.
 * `not_null` of several columns is one test a column. Throws `SQL_UNKNOWN_REF` or `SQL_TEMPLATE` with the test's place.
 */
export function compileTest(test: DataTest, context: TestContext): CompiledTest[] {
  const where =
    test.where === undefined
      ? undefined
      : statementAt(test, `SELECT * FROM {{ this }} WHERE (${test.where}\n)`, context);
  const rows = where === undefined ? TABLE_UNDER_TEST : `(${where.sql}\n) AS tested`;
  const compiled = (name: string, sql: string, rendered?: RenderedSql): CompiledTest => ({
    name: `${test.kind}(${name})${test.where === undefined ? '' : ` where ${test.where.replaceAll(/\s+/g, ' ')}`}`,
    kind: test.kind,
    severity: test.severity ?? 'error',
    sql,
    at: test.at,
    refs: [...(rendered?.refs ?? []), ...(where?.refs ?? [])].filter((ref) => ref !== context.name),
    sources: [...(rendered?.sources ?? []), ...(where?.sources ?? [])],
    uses: { ...rendered?.uses, ...where?.uses },
  });
  switch (test.kind) {
    case 'not_null':
      return test.columns.map((column) =>
        compiled(column, `SELECT * FROM ${rows} WHERE ${identifier(column)} IS NULL`),
      );
    case 'unique': {
      const columns = test.columns.map(identifier);
      const filled = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
      return [
        compiled(
          test.columns.join(', '),
          `SELECT ${columns.join(', ')}, count(*) AS occurrences FROM ${rows} WHERE ${filled} ` +
            `GROUP BY ${columns.join(', ')} HAVING count(*) > 1`,
        ),
      ];
    }
    case 'accepted_values': {
      // Untyped literals, as dbt writes them: PostgreSQL reads them as the column's own type.
      const values = test.values.map((value) => literal(String(value))).join(', ');
      const column = identifier(test.column);
      const refused = values === '' ? `${column} IS NOT NULL` : `${column} NOT IN (${values})`;
      return [
        compiled(
          test.column,
          `SELECT ${column}, count(*) AS occurrences FROM ${rows} WHERE ${refused} GROUP BY ${column}`,
        ),
      ];
    }
    case 'relationships': {
      const target = renderAt(test, `{{ ${refOrSource(test.to, context)} }}`, context);
      return [
        compiled(
          `${test.column} → ${test.to}.${test.field}`,
          `SELECT child.* FROM ${where === undefined ? rows : `(${where.sql}\n)`} AS child WHERE child.${identifier(test.column)} IS NOT NULL ` +
            `AND NOT EXISTS (SELECT FROM ${target.sql} AS parent ` +
            `WHERE parent.${identifier(test.field)} = child.${identifier(test.column)})`,
          target,
        ),
      ];
    }
    case 'row_count': {
      const limits = [
        ...(test.min === undefined ? [] : [`count(*) < ${BigInt(test.min)}`]),
        ...(test.max === undefined ? [] : [`count(*) > ${BigInt(test.max)}`]),
      ];
      const bounds = `${test.min ?? 0}..${test.max ?? ''}`;
      const having = limits.length === 0 ? 'false' : limits.join(' OR ');
      return [compiled(bounds, `SELECT count(*) AS rows FROM ${rows} HAVING ${having}`)];
    }
    case 'accepted_range': {
      const column = identifier(test.column);
      // Untyped literals here too: dates and times as PostgreSQL reads them.
      const outside = [
        ...(test.min === undefined ? [] : [`${column} < ${literal(String(test.min))}`]),
        ...(test.max === undefined ? [] : [`${column} > ${literal(String(test.max))}`]),
      ];
      const name = `${test.column}, ${test.min ?? ''}..${test.max ?? ''}`;
      return [compiled(name, `SELECT * FROM ${rows} WHERE ${outside.join(' OR ')}`)];
    }
    case 'expression_is_true': {
      const rendered = statementAt(test, `SELECT * FROM {{ this }} WHERE NOT (${test.expression}\n)`, context);
      // The first one is the table itself; the expression may name it too.
      return [
        compiled(
          test.expression,
          rendered.sql.replace(TABLE_UNDER_TEST, () => rows),
          rendered,
        ),
      ];
    }
    case 'sql': {
      const rendered = statementAt(test, test.sql, context);
      return [compiled(test.name, rendered.sql, rendered)];
    }
  }
}

function refOrSource(name: string, { refs, sources }: TestContext): string {
  return !refs.has(name) && (sources.has(name) || sources.has(`${name}.${name}`))
    ? `source(${JSON.stringify(name).replace('.', '", "')})`
    : `ref(${JSON.stringify(name)})`;
}

/** One SELECT, so that nothing leaves the parentheses that a test puts around it. */
function statementAt(test: DataTest, sql: string, context: TestContext): RenderedSql {
  const rendered = renderAt(test, sql, context);
  return placed(test, context, () => ({
    ...rendered,
    sql: singleStatement(rendered.sql, test.at.file, rendered.lines),
  }));
}

function renderAt(test: DataTest, sql: string, context: TestContext): RenderedSql {
  const refs = new Map(context.refs).set(context.name, TABLE_UNDER_TEST);
  const file = { name: context.name, file: test.at.file, sql };
  return placed(test, context, () => renderSql(file, { ...context, refs, self: TABLE_UNDER_TEST }));
}

/** The place of an error is the test's own: its SQL may stand anywhere in plumbline.yaml. */
function placed<T>(test: DataTest, { name }: TestContext, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof TerminalError ? error.prefixed(`Test ${test.kind} of ${name}: `, { at: test.at }) : error;
  }
}
