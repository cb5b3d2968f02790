import { createHash } from 'node:crypto';
import type { CursorConfig, ResourceConfig } from '../model/project.js';
import { resolveChildren } from './resolve-children.js';
import { canFollow, resolveCursor } from './resolve-cursor.js';
import { resolveLoad } from './resolve-load.js';
import { refuser, type Refusal, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { PostgresResourceYaml, PostgresSourceYaml } from './schema/postgres-source.js';

export type PostgresPlace = ResourcePlace<Omit<PostgresSourceYaml, 'resources'> & PostgresResourceYaml>;

/** A resource of a postgres source; empty when something is wrong, which is reported. */
export function resolvePostgresResource(resource: PostgresPlace, scope: ResourceScope): ResourceConfig[] {
  const { source, id, table, given, path } = resource;
  const { applied } = scope;
  const place = path.join('.');
  const refuse = (refusal: Refusal): [] => {
    refuser(resource, scope)(refusal);
    return [];
  };
  if (given.table !== undefined && given.query !== undefined)
    return refuse({
      message: `${place} has a table and a query, expected one of the two.`,
      at: 'query',
      part: 'key',
      next: 'Remove one of them.',
    });
  if (given.table === undefined && given.query === undefined)
    return refuse({
      code: 'PROJECT_KEY_MISSING',
      message: `${place} has no "table" and no "query", expected one of them.`,
      next: 'Add `table:` or `query:`.',
    });
  const { interval_column: intervalColumn } = given;
  const misfit = intervalColumn === undefined ? undefined : intervalFault(given);
  if (misfit !== undefined) return refuse({ ...misfit, message: `${place}.${misfit.message}` });
  if (given.write === 'append' && intervalColumn === undefined)
    return refuse({
      message: `${place}.write is append; each load would add again the rows that are there.`,
      at: 'write',
      next: 'Use write: replace, or merge with a primary_key; or read by interval, with `interval_column`.',
    });
  const cursor = given.cursor === undefined ? undefined : cursorOf(resource, scope, given.cursor);
  if (given.cursor !== undefined && cursor === undefined) return [];
  const reconciles = given.deletes === 'reconcile';
  const wrong = reconciles ? reconcileFault(given) : undefined;
  if (wrong !== undefined) return refuse({ ...wrong, message: `${place}.${wrong.message}` });
  const load = resolveLoad(resource, scope, {
    write: intervalColumn !== undefined ? 'append' : cursor === undefined ? 'replace' : 'merge',
    why: `each load asks for ${intervalColumn !== undefined ? 'an interval' : cursor === undefined ? 'all' : 'what is new'}`,
    // What is gone is then found by the source's keys.
    isPartial: cursor !== undefined || reconciles || intervalColumn !== undefined,
    types: 'evolve',
    columns: 'as in the source',
  });
  if (load === undefined) return [];
  const children = resolveChildren(resource, scope, load);
  const schema = given.schema ?? 'public';
  if (given.schema === undefined) applied(`${place}.schema = public`);
  const query = given.query?.trim().replace(/[\s;]+$/, '');
  return [
    {
      id,
      source,
      table,
      type: 'postgres',
      path: query === undefined ? `${schema}.${given.table!}` : `query ${digest(query)}`,
      format: 'auto',
      ...load,
      ...children,
      postgres: {
        connection: given.connection,
        schema,
        ...(query === undefined ? { table: given.table! } : { query }),
        ...(given.parallel !== undefined && { parallel: given.parallel }),
        ...(reconciles && { reconciles }),
      },
      ...(cursor === undefined ? {} : { cursor }),
      ...(intervalColumn !== undefined && { interval: { column: intervalColumn, outside: 'fail' } }),
      allowEmpty: given.allow_empty ?? false,
    },
  ];
}

/** Why a resource cannot be read by interval; undefined when it can. */
function intervalFault({ write, cursor, deletes }: PostgresPlace['given']): Refusal | undefined {
  if (cursor !== undefined)
    return {
      message: 'cursor asks for what is new, and interval_column for an interval.',
      at: 'cursor',
      part: 'key',
      next: 'Remove one of the two.',
    };
  if (write === 'replace')
    return {
      message: 'write is replace; each interval would leave its own rows only.',
      at: 'write',
      next: 'Use write: append (rows of an interval take the place of those it had), or merge with a primary_key.',
    };
  return deletes === 'reconcile'
    ? {
        message: 'deletes is reconcile, which compares all keys, and interval_column reads a part of the rows.',
        at: 'deletes',
        next: 'Take `deletes` out: under write: append what is gone of an interval goes when the interval is loaded again.',
      }
    : undefined;
}

/** Why gone rows cannot be found by the source's keys; undefined when they can. */
function reconcileFault({ write, primary_key: key, merge, cursor }: PostgresPlace['given']): Refusal | undefined {
  const isReplaced = write === 'replace' || (write === undefined && merge === undefined && cursor === undefined);
  if (isReplaced)
    return {
      message: 'deletes is reconcile, and write is replace: a table that is made anew has no rows that are gone.',
      at: 'deletes',
      next: 'Take `deletes` out, or set write: merge.',
    };
  if (key === undefined)
    return {
      message: 'deletes is reconcile, and there is no "primary_key" to tell gone rows by.',
      at: 'deletes',
      next: 'Add `primary_key:`.',
    };
  return typeof merge === 'object' && merge.when_gone !== undefined
    ? {
        message: 'deletes is reconcile, and merge.when_gone says as well what becomes of rows that are gone.',
        at: 'deletes',
        next: 'Take `when_gone` out: scd2 closes the rows that are gone.',
      }
    : undefined;
}

/** Undefined when something is wrong, which is reported. */
function cursorOf(
  resource: PostgresPlace,
  scope: ResourceScope,
  { xmin, field, ...rest }: NonNullable<PostgresResourceYaml['cursor']>,
): CursorConfig | undefined {
  const place = resource.path.join('.');
  const refuse = refuser(resource, scope);
  if (xmin === undefined && field !== undefined) return resolveCursor(resource, scope, { field, ...rest });
  if (xmin === undefined || field !== undefined || Object.keys(rest).length > 0) {
    refuse({
      message: `${place}.cursor has to name a field, or be { xmin: true } and nothing else.`,
      at: 'cursor',
      part: 'key',
      next: 'Name the `field`, or leave `xmin: true` alone.',
    });
    return undefined;
  }
  if (resource.given.query !== undefined) {
    refuse({
      message: `${place}.cursor.xmin: the rows of a query have no transaction, expected a table.`,
      at: ['cursor', 'xmin'],
      next: 'Read a `table`, or name a `field`.',
    });
    return undefined;
  }
  if (!canFollow(resource, scope)) return undefined;
  return { field: 'xmin', type: 'integer', lag: 0, byTransaction: true };
}

function digest(query: string): string {
  return createHash('sha256').update(query).digest('hex').slice(0, 8);
}
