import { TerminalError } from '../../errors.js';
import type { Project, ResourceConfig } from '../../model/project.js';
import { renderSql } from '../../model/render-sql.js';
import { tableNames } from '../../model/table-names.js';
import { singleStatement } from '../../model/single-statement.js';

export interface CompiledInventory {
  readonly file: string;
  /** One SELECT. */
  readonly sql: string;
  /** User's line (from 1) for each line of `sql`. */
  readonly lines: readonly number[];
  /** Ids of the resources that it reads. Sorted. */
  readonly sources: readonly string[];
}

/**
 * The SELECT that names a resource's objects. Touches no database. Throws `SQL_…`, `ELT_SQL_NOT_A_SELECT`, and `ELT_INVENTORY_READS` when it reads
 * a transform, which is built after the loads, or its own resource; a retry gives the same.
 */
export function compileInventory(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources' | 'vars' | 'macros'>,
  resource: ResourceConfig,
): CompiledInventory {
  const { query } = resource.inventory!;
  const { sql, lines, refs, sources } = renderSql(query, tableNames(project));
  const wrong = refs[0] ?? sources.find((id) => id === resource.id);
  if (wrong !== undefined)
    throw new TerminalError(
      'ELT_INVENTORY_READS',
      `${query.file} names the objects of ${resource.id} and reads ${refs.length > 0 ? `the transform ${wrong}, which is built after the loads` : 'that resource itself'}; expected other sources.`,
      { at: { file: query.file }, next: "Read raw tables only, with {{ source('name', 'resource') }}." },
    );
  return { file: query.file, sql: singleStatement(sql, query.file, lines), lines, sources };
}
