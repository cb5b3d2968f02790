import type { ResourceConfig, Schemas, TransformFile } from './project.js';
import { qualified } from './sql-identifier.js';

/** What `ref` stands for: transform name → `"main"."name"`. */
export function refNames(schemas: Schemas, transforms: readonly Pick<TransformFile, 'name'>[]): Map<string, string> {
  return new Map(transforms.map(({ name }) => [name, qualified(schemas.main, name)]));
}

/** The id of the resource that a file of seeds/ is, which `ref` finds by the seed's name. */
export function seedId(name: string): string {
  return `seeds.${name}`;
}

/** What `source` stands for: resource id → `"raw"."table"`. */
export function sourceNames(
  schemas: Schemas,
  resources: readonly Pick<ResourceConfig, 'id' | 'table'>[],
): Map<string, string> {
  return new Map(resources.map(({ id, table }) => [id, qualified(schemas.raw, table)]));
}
