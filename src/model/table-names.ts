import type { Project } from './project.js';
import { childNames, refNames, sourceNames } from './relation-names.js';
import type { SqlNames } from './render-sql.js';

/** What `ref()`, `source()`, `var()` and macros stand for in a project's SQL. */
export function tableNames(
  project: Pick<Project, 'schemas' | 'transforms' | 'resources'> & Pick<SqlNames, 'vars' | 'macros'>,
): SqlNames {
  const { schemas, transforms, resources, vars = {}, macros = [] } = project;
  const isEphemeral = ({ materialized }: (typeof transforms)[number]): boolean => materialized === 'ephemeral';
  return {
    refs: refNames(
      schemas,
      transforms.filter((one) => !isEphemeral(one)),
    ),
    ephemerals: new Map(transforms.filter(isEphemeral).map((one) => [one.name, one])),
    sources: sourceNames(schemas, resources),
    children: childNames(schemas, resources),
    vars,
    macros,
  };
}
