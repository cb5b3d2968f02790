import { selectedResources } from '../elt/inventory/select-resources.js';
import { orderResources } from '../elt/inventory/order-resources.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import { selectedNodes } from '../elt/transform/select-nodes.js';
import { ANY_INTERVAL } from '../model/data-interval.js';
import type { Project } from '../model/project.js';
import { renderSql } from '../model/render-sql.js';
import type { Selection } from '../model/selection.js';
import { singleStatement } from '../model/single-statement.js';
import { tableNames } from '../model/table-names.js';

/**
 * Renders every SQL file of the project as a worker will, so that a mistake shows before anything starts. Touches no
 * database. Throws SQL_UNKNOWN_REF, SQL_UNKNOWN_VAR, SQL_TEMPLATE or ELT_SQL_* with the user's file, `ELT_SELECT_UNKNOWN` and `SELECT_EMPTY`; no retry helps.
 *
 * @param selection whose names have to be the project's; with `only: load` they are of sources, else of transforms
 */
export function compileProject(project: Project, selection: Selection = {}): void {
  const { features, train, transforms } = project;
  const compiled = compileTransforms(project);
  const resources = orderResources(project);
  if (selection.only === 'load') selectedResources(resources, selection);
  else selectedNodes(compiled, selection);
  const names = tableNames(project);
  // Nothing may read one of these yet.
  for (const file of transforms.filter(({ materialized }) => materialized === 'ephemeral')) {
    const { sql, lines } = renderSql(file, { ...names, interval: ANY_INTERVAL });
    singleStatement(sql, file.file, lines);
  }
  for (const file of [...features, ...(train === undefined ? [] : [train.labels])]) renderSql(file, names);
}
