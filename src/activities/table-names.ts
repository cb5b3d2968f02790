import type { Project } from '../model/project.js';
import { refNames, sourceNames } from '../model/relation-names.js';

/** What `ref()` and `source()` stand for in a project's SQL. */
export function tableNames(project: Project): { refs: Map<string, string>; sources: Map<string, string> } {
  return {
    refs: refNames(project.schemas, project.transforms),
    sources: sourceNames(project.schemas, project.resources),
  };
}
