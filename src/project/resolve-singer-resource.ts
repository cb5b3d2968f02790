import type { JsonObject, ResourceConfig } from '../model/project.js';
import { resolveChildren } from './resolve-children.js';
import { resolveLoad } from './resolve-load.js';
import { refuser, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { SingerResourceYaml, SingerSourceYaml } from './schema/singer-source.js';

export type SingerPlace = ResourcePlace<Omit<SingerSourceYaml, 'resources'> & SingerResourceYaml>;

/** A resource of a singer source; empty when something is wrong, which is reported. */
export function resolveSingerResource(resource: SingerPlace, scope: ResourceScope): ResourceConfig[] {
  const { source, id, table, given, path } = resource;
  const { applied } = scope;
  const place = path.join('.');
  const refuse = (message: string, at: string, next: string): [] => {
    refuser(resource, scope)({ message, at, part: 'key', next });
    return [];
  };
  if (given.catalog !== undefined && given.discover !== undefined)
    return refuse(
      `${place} has a "catalog" and "discover"; the catalog is the file's, or what the tap says, or none.`,
      'discover',
      'Take one of the two out.',
    );
  if (given.metadata !== undefined && given.discover === false)
    return refuse(
      `${place} has "metadata" for a catalog, and with discover: false the tap gets none.`,
      'metadata',
      'Take one of the two out.',
    );
  const stream = given.stream ?? id.slice(id.indexOf('.') + 1);
  if (given.stream === undefined) applied(`${place}.stream = ${stream}`);
  if (given.primary_key === undefined) applied(`${place}.primary_key = the tap's key_properties`);
  if (given.catalog === undefined && given.discover === undefined)
    applied(`${place}.catalog = what the tap says with --discover`);
  const load = resolveLoad(resource, scope, {
    // A table that may be merged into is one whose rows change, for everything that asks.
    write: 'merge',
    why: 'where the stream has a key, else append',
    isPartial: true,
    keyIsOfSource: true,
    // With a contract, the table has its say.
    ...(given.contract === undefined && { types: 'evolve' as const }),
    columns: "the types of the stream's schema",
  });
  if (load === undefined) return [];
  const children = resolveChildren(resource, scope, load);
  return [
    {
      id,
      source,
      table,
      type: 'singer',
      path: stream,
      format: 'singer',
      ...load,
      ...children,
      singer: {
        command: given.command,
        config: (given.config ?? {}) as JsonObject,
        env: given.env ?? {},
        catalog: catalogOf(given),
        metadata: (given.metadata ?? {}) as JsonObject,
        ...(given.select && { select: given.select }),
        writeByKey: given.write === undefined && given.merge === undefined,
      },
      allowEmpty: given.allow_empty ?? false,
    },
  ];
}

function catalogOf({ catalog, discover }: SingerPlace['given']): NonNullable<ResourceConfig['singer']>['catalog'] {
  if (catalog !== undefined) return { from: 'file', path: catalog };
  return { from: discover === false ? 'none' : 'tap' };
}
