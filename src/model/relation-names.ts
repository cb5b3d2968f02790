import { childTables } from './child-tables.js';
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

/** A child table as SQL finds it. */
export interface ChildName {
  /** `"raw"."table"` */
  readonly table: string;
  /** Without schema and quotes. */
  readonly name: string;
  /** Id of the resource that it is loaded with. */
  readonly of: string;
}

/**
 * What `source` calls a child table: `<source>.<name>`, where the name is that of the table without the source's: `orders.lines` of source
 * orders, `shop.orders_lines` of source shop.
 */
export function childName({ source }: Pick<ResourceConfig, 'source'>, table: string): string {
  return `${source}.${table.startsWith(`${source}_`) ? table.slice(source.length + 1) : table}`;
}

/** What `source` stands for where it names a child table, by that name. */
export function childNames(
  schemas: Schemas,
  resources: readonly Pick<ResourceConfig, 'id' | 'source' | 'children'>[],
): Map<string, ChildName> {
  return new Map(
    resources.flatMap((resource) =>
      childTables(resource).map(({ table }) => [
        childName(resource, table),
        { table: qualified(schemas.raw, table), name: table, of: resource.id },
      ]),
    ),
  );
}
