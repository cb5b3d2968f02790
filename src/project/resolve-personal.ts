import { childTables } from '../model/child-tables.js';
import { didYouMean } from '../model/nearest.js';
import type { PersonalKey, ResourceConfig, TransformFile } from '../model/project.js';
import { childName } from '../model/relation-names.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import type { ProjectYaml } from './schema/project.js';

/** Where the rows of persons are, and the resources with their columns that say whose a row is. */
export function resolvePersonal(
  given: NonNullable<ProjectYaml['personal']>,
  scope: {
    readonly yaml: LocatedYaml;
    readonly loaded: readonly ResourceConfig[];
    readonly transforms: readonly TransformFile[];
    readonly report: (problem: Problem) => void;
  },
): { readonly personal: readonly PersonalKey[]; readonly resources: readonly ResourceConfig[] } {
  const { yaml, loaded, transforms, report } = scope;
  const unknown = (path: readonly string[], what: string, names: readonly string[]): void =>
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${yaml.file} failed: ${path.join('.')} names no ${what} of the project${didYouMean(path.at(-1)!, names) || '.'}`,
      at: positionAt(yaml, path, 'key'),
      next: names.length === 0 ? 'Remove it.' : `Name one of ${names.join(', ')}.`,
    });
  /** Elements are nobody's by themselves: they go with their row. */
  const childNamed = (path: readonly string[], of: string): void =>
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${yaml.file} failed: ${path.join('.')} names a child table, whose rows are forgotten with those of ${of} that have them.`,
      at: positionAt(yaml, path, 'key'),
      next: `Name ${of} and the column of it that says whose a row is.`,
    });
  const ids = loaded.map(({ id }) => id);
  const children = new Map(
    loaded.flatMap((resource) => childTables(resource).map(({ table }) => [childName(resource, table), resource.id])),
  );
  // A view and an ephemeral transform have no rows of their own.
  const tables = transforms
    .filter(({ materialized }) => materialized !== 'view' && materialized !== 'ephemeral')
    .map(({ name }) => name);
  const personal = Object.entries(given).map(([key, places]): PersonalKey => {
    for (const id of Object.keys(places.sources ?? {}))
      if (children.has(id)) childNamed(['personal', key, 'sources', id], children.get(id)!);
      else if (!ids.includes(id)) unknown(['personal', key, 'sources', id], 'source', ids);
    for (const name of Object.keys(places.tables ?? {}))
      if (!tables.includes(name)) unknown(['personal', key, 'tables', name], 'table', tables);
    return {
      key,
      sources: Object.entries(places.sources ?? {}).map(([resource, column]) => ({ resource, column })),
      tables: Object.entries(places.tables ?? {}).map(([name, column]) => ({ name, column })),
      predictions: places.predictions ?? key,
    };
  });
  const resources = loaded.map((resource) => {
    const own = personal.flatMap(({ key, sources }) =>
      sources.filter((one) => one.resource === resource.id).map(({ column }) => ({ key, column })),
    );
    return own.length === 0 ? resource : { ...resource, personal: own };
  });
  return { personal, resources };
}
