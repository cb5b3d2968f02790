import type { JsonObject, ResourceConfig } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveColumns } from './resolve-columns.js';
import type { ResourcePlace, ResourceScope } from './resolve-resources.js';
import type { SingerResourceYaml, SingerSourceYaml } from './schema/singer-source.js';
import { parseShare } from './share.js';

export type SingerPlace = ResourcePlace<Omit<SingerSourceYaml, 'resources'> & SingerResourceYaml>;

/** A resource of a singer source; empty when something is wrong, which is reported. */
export function resolveSingerResource(
  { source, id, table, given, path }: SingerPlace,
  { yaml, report, applied }: ResourceScope,
): ResourceConfig[] {
  const place = path.join('.');
  const refuse = (message: string, key: string, next: string): [] => {
    const at = positionAt(yaml, [...path, key], 'key');
    report({
      code: 'PROJECT_VALUE_INVALID' satisfies Problem['code'],
      message: `Reading ${yaml.file} failed: ${message}`,
      at,
      next,
    });
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
  if (given.write === undefined) applied(`${place}.write = merge where the stream has a key, else append`);
  if (given.catalog === undefined && given.discover === undefined)
    applied(`${place}.catalog = what the tap says with --discover`);
  if (given.max_rejected === undefined) applied(`${place}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${place}.columns = the types of the stream's schema`);
  return [
    {
      id,
      source,
      table,
      type: 'singer',
      path: stream,
      format: 'singer',
      // A table that may be merged into is one whose rows change, for everything that asks.
      write: given.write ?? 'merge',
      primaryKey: [given.primary_key ?? []].flat(),
      columns: resolveColumns(given.columns),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      singer: {
        command: given.command,
        config: (given.config ?? {}) as JsonObject,
        env: given.env ?? {},
        catalog: catalogOf(given),
        metadata: (given.metadata ?? {}) as JsonObject,
        ...(given.select && { select: given.select }),
        writeByKey: given.write === undefined,
      },
      allowEmpty: given.allow_empty ?? false,
      at: { file: yaml.file, line: positionAt(yaml, path, 'key').line ?? 1 },
    },
  ];
}

function catalogOf({ catalog, discover }: SingerPlace['given']): NonNullable<ResourceConfig['singer']>['catalog'] {
  if (catalog !== undefined) return { from: 'file', path: catalog };
  return { from: discover === false ? 'none' : 'tap' };
}
