import { orderResources } from '../elt/inventory/order-resources.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import { ANY_INTERVAL } from '../model/data-interval.js';
import type { Project } from '../model/project.js';
import { renderSql } from '../model/render-sql.js';
import { singleStatement } from '../model/single-statement.js';
import { tableNames } from '../model/table-names.js';

/**
 * Renders every SQL file of the project as a worker will, so that a mistake shows before anything starts. Touches no
 * database. Throws SQL_UNKNOWN_REF, SQL_UNKNOWN_VAR, SQL_TEMPLATE or ELT_SQL_* with the user's file; no retry helps.
 */
export function compileProject(project: Project): void {
  const { features, train, transforms } = project;
  compileTransforms(project);
  orderResources(project);
  const names = tableNames(project);
  // Nothing may read one of these yet.
  for (const file of transforms.filter(({ materialized }) => materialized === 'ephemeral')) {
    const { sql, lines } = renderSql(file, { ...names, interval: ANY_INTERVAL });
    singleStatement(sql, file.file, lines);
  }
  for (const file of [...features, ...(train === undefined ? [] : [train.labels])]) renderSql(file, names);
}
