import { childTables } from '../model/child-tables.js';
import { childName } from '../model/relation-names.js';
import type { ResourceConfig } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveFilesResource } from './resolve-files-resource.js';
import { resolveHttpResource } from './resolve-http-resource.js';
import { resolvePostgresResource } from './resolve-postgres-resource.js';
import { resolveProgramResource } from './resolve-program-resource.js';
import { resolveSingerResource } from './resolve-singer-resource.js';
import type { ResourcePlace, ResourceScope } from './resource-place.js';
import type { SourceYaml } from './schema/sources.js';

/** The resources of all sources in the order of the file. */
export async function resolveResources(
  sources: Readonly<Record<string, SourceYaml>>,
  scope: ResourceScope,
): Promise<ResourceConfig[]> {
  const resolved: ResourceConfig[] = [];
  for (const [source, given] of Object.entries(sources)) {
    if (given.type === undefined) scope.applied(`sources.${source}.type = files`);
    resolved.push(...(await resolveSource(source, given, scope)));
  }
  return resolved;
}

async function resolveSource(source: string, given: SourceYaml, scope: ResourceScope): Promise<ResourceConfig[]> {
  switch (given.type) {
    case 'http': {
      const resolved: ResourceConfig[] = [];
      for (const place of placesOf(source, given, scope)) resolved.push(...(await resolveHttpResource(place, scope)));
      return resolved;
    }
    case 'postgres':
      return placesOf(source, given, scope).flatMap((place) => resolvePostgresResource(place, scope));
    case 'python':
      return placesOf(source, given, scope).flatMap((place) => resolveProgramResource(place, scope));
    case 'plugin':
      return placesOf(source, given, scope).flatMap((place) => resolveProgramResource(place, scope));
    case 'singer':
      return placesOf(source, given, scope).flatMap((place) => resolveSingerResource(place, scope));
    default: {
      const resolved: ResourceConfig[] = [];
      for (const place of placesOf(source, given, scope)) resolved.push(...(await resolveFilesResource(place, scope)));
      return resolved;
    }
  }
}

/** The resources of a source; one without `resources` is a resource of its own name. */
function placesOf<Yaml extends { readonly resources?: Readonly<Record<string, object>> | undefined }>(
  source: string,
  given: Yaml,
  { yaml, report }: ResourceScope,
): ResourcePlace<Omit<Yaml, 'resources'>>[] {
  const { resources, ...shared } = given;
  const path = ['sources', source];
  const places =
    resources === undefined
      ? [{ source, id: source, table: source, given: shared, path }]
      : Object.entries(resources).map(([name, own]) => ({
          source,
          id: `${source}.${name}`,
          table: `${source}_${name}`,
          given: { ...shared, ...own },
          path: [...path, 'resources', name],
        }));
  return places.filter((place) => {
    if (place.table.length <= 50) return true;
    report({
      code: 'PROJECT_NAME_TOO_LONG',
      message: `Reading ${yaml.file} failed: the table ${place.table} has a name longer than 50.`,
      at: positionAt(yaml, place.path, 'key'),
      next: 'Shorten the name.',
    });
    return false;
  });
}

/** Two sources, or a source and a seed, that would be one table, or one name in `source()`. */
export function refuseSameTable(resources: readonly ResourceConfig[], report: (problem: Problem) => void): void {
  refuseSameName(resources, report);
  const taken = new Map<string, string>();
  for (const resource of resources) {
    const children = childTables(resource).map(({ table, path }) => ({
      table,
      name: `children.${path} of ${resource.id}`,
    }));
    for (const { table, name } of [{ table: resource.table, name: resource.id }, ...children]) {
      const other = taken.get(table);
      if (other === undefined) taken.set(table, name);
      else
        report({
          code: 'PROJECT_NAME_TAKEN',
          message: `Reading ${resource.at.file} failed: ${other} and ${name} would both be the table ${table}.`,
          at: resource.at,
          next: 'Rename one of the two.',
        });
    }
  }
}

function refuseSameName(resources: readonly ResourceConfig[], report: (problem: Problem) => void): void {
  const taken = new Map(resources.map(({ id, table }) => [id, table]));
  for (const resource of resources)
    for (const { table, path } of childTables(resource)) {
      const name = childName(resource, table);
      const other = taken.get(name);
      if (other === undefined) taken.set(name, table);
      else if (other !== table)
        report({
          code: 'PROJECT_NAME_TAKEN',
          message: `Reading ${resource.at.file} failed: source('${name.replace('.', "', '")}') would be both the table ${other} and the child table ${table}.`,
          at: resource.at,
          next: `Give the child table another name: \`children: { ${path}: { table: … } }\`.`,
        });
    }
}
