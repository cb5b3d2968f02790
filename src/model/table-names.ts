import type { Project } from './project.js';
import { refNames, sourceNames } from './relation-names.js';
import type { SqlNames } from './render-sql.js';

/** What `ref()`, `source()`, `var()` and macros stand for in a project's SQL. */
export function tableNames(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources'> & Pick<SqlNames, 'vars' | 'macros'>,
): SqlNames {
  const { schemas, transforms, resources, vars = {}, macros = [] } = project;
  return { refs: refNames(schemas, transforms), sources: sourceNames(schemas, resources), vars, macros };
}
