import { TerminalError } from '../../errors.js';
import type { Project, ResourceConfig, SqlFile } from '../../model/project.js';
import { renderSql } from '../../model/render-sql.js';
import { tableNames } from '../../model/table-names.js';
import { singleStatement } from '../../model/single-statement.js';

/** A SELECT over raw tables that says what a resource is loaded from. */
export interface CompiledQuery {
  readonly file: string;
  /** One SELECT. */
  readonly sql: string;
  /** User's line (from 1) for each line of `sql`. */
  readonly lines: readonly number[];
  /** Ids of the resources that it reads. Sorted. */
  readonly sources: readonly string[];
}

/**
 * Renders such a SELECT. Touches no database. Throws `SQL_…`, `ELT_SQL_NOT_A_SELECT`, and `ELT_INVENTORY_READS` when it reads
 * a transform, which is built after the loads, or the resource itself; a retry gives the same.
 *
 * @param names what it names, for the message: `the objects`
 */
export function compileQuery(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources' | 'vars' | 'macros'>,
  { id }: Pick<ResourceConfig, 'id'>,
  query: SqlFile,
  names: string,
): CompiledQuery {
  const { sql, lines, refs, sources } = renderSql(query, tableNames(project));
  const wrong = refs[0] ?? sources.find((source) => source === id);
  if (wrong !== undefined)
    throw new TerminalError(
      'ELT_INVENTORY_READS',
      `${query.file} names ${names} of ${id} and reads ${refs.length > 0 ? `the transform ${wrong}, which is built after the loads` : 'that resource itself'}; expected other sources.`,
      { at: { file: query.file }, next: "Read raw tables only, with {{ source('name', 'resource') }}." },
    );
  return { file: query.file, sql: singleStatement(sql, query.file, lines), lines, sources };
}
