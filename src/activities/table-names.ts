import type { Project } from '../model/project.js';
import { refNames, sourceNames } from '../model/relation-names.js';
import type { SqlNames } from '../model/render-sql.js';

/** What `ref()`, `source()`, `var()` and macros stand for in a project's SQL. */
export function tableNames(project: Project): SqlNames {
  return {
    refs: refNames(project.schemas, project.transforms),
    sources: sourceNames(project.schemas, project.resources),
    vars: project.vars,
    macros: project.macros,
  };
}
