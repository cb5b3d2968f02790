import { createHash } from 'node:crypto';
import type { ResourceConfig } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { resolveColumns } from './resolve-columns.js';
import { resolveCursor } from './resolve-cursor.js';
import type { ResourcePlace, ResourceScope } from './resolve-resources.js';
import type { PostgresResourceYaml, PostgresSourceYaml } from './schema/postgres-source.js';
import { parseShare } from './share.js';

export type PostgresPlace = ResourcePlace<Omit<PostgresSourceYaml, 'resources'> & PostgresResourceYaml>;

/** A resource of a postgres source; empty when something is wrong, which is reported. */
export function resolvePostgresResource(
  { source, id, table, given, path }: PostgresPlace,
  { yaml, report, applied }: ResourceScope,
): ResourceConfig[] {
  const place = path.join('.');
  const position = positionAt(yaml, path, 'key');
  const refuse = (code: Problem['code'], message: string, where: Problem['at'], next: string): [] => {
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at: where, next });
    return [];
  };
  if (given.table !== undefined && given.query !== undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has a table and a query, expected one of the two.`,
      positionAt(yaml, [...path, 'query'], 'key'),
      'Remove one of them.',
    );
  if (given.table === undefined && given.query === undefined)
    return refuse('PROJECT_KEY_MISSING', `${place} has no "table" and no "query", expected one of them.`, position, 'Add `table:` or `query:`.'); // prettier-ignore
  const primaryKey = [given.primary_key ?? []].flat();
  if (given.write === 'merge' && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} is merged and has no "primary_key".`,
      positionAt(yaml, [...path, 'write']),
      'Add `primary_key:`, or write: replace.',
    );
  if (given.write === 'append')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.write is append; each load would add again the rows that are there.`,
      positionAt(yaml, [...path, 'write']),
      'Use write: replace, or merge with a primary_key.',
    );
  if (given.cursor !== undefined && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} has a cursor and no "primary_key": rows that tie with the cursor come again.`,
      positionAt(yaml, [...path, 'cursor'], 'key'),
      'Add `primary_key:`.',
    );
  if (given.cursor !== undefined && given.write === 'replace')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.write is replace; with a cursor only new rows come, and the others would be gone.`,
      positionAt(yaml, [...path, 'write']),
      'Use write: merge, or remove the cursor.',
    );
  const cursor = given.cursor === undefined ? undefined : cursorOf(given.cursor);
  if (cursor === 'unclear')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.cursor has to name a field, or be { xmin: true } and nothing else.`,
      positionAt(yaml, [...path, 'cursor'], 'key'),
      'Name the `field`, or leave `xmin: true` alone.',
    );
  if (given.cursor?.xmin === true && given.query !== undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.cursor.xmin: the rows of a query have no transaction, expected a table.`,
      positionAt(yaml, [...path, 'cursor', 'xmin']),
      'Read a `table`, or name a `field`.',
    );
  if (cursor !== undefined && 'wrong' in cursor)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.cursor.${cursor.wrong}`,
      positionAt(yaml, [...path, 'cursor', cursor.key]),
      `Correct ${cursor.key}.`,
    );
  const write = given.write ?? (cursor === undefined ? 'replace' : 'merge');
  if (given.write === undefined)
    applied(`${place}.write = ${write} (each load asks for ${cursor === undefined ? 'all' : 'what is new'})`);
  if (cursor !== undefined && cursor.byTransaction !== true) {
    if (given.cursor?.type === undefined) applied(`${place}.cursor.type = ${cursor.type}`);
    if (given.cursor?.lag === undefined) applied(`${place}.cursor.lag = ${cursor.type === 'integer' ? '1' : '1s'}`);
    if (cursor.initial === undefined) applied(`${place}.cursor.initial = none (the first load asks for everything)`);
  }
  const schema = given.schema ?? 'public';
  if (given.schema === undefined) applied(`${place}.schema = public`);
  if (given.max_rejected === undefined) applied(`${place}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${place}.columns = as in the source`);
  const query = given.query?.trim().replace(/[\s;]+$/, '');
  return [
    {
      id,
      source,
      table,
      type: 'postgres',
      path: query === undefined ? `${schema}.${given.table!}` : `query ${digest(query)}`,
      format: 'auto',
      write,
      primaryKey,
      columns: resolveColumns(given.columns),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      postgres: {
        connection: given.connection,
        schema,
        ...(query === undefined ? { table: given.table! } : { query }),
        parallel: given.parallel ?? 1,
      },
      ...(cursor === undefined ? {} : { cursor }),
      allowEmpty: given.allow_empty ?? false,
      at: { file: yaml.file, line: position.line ?? 1 },
    },
  ];
}

function cursorOf({
  xmin,
  field,
  ...rest
}: NonNullable<PostgresResourceYaml['cursor']>): ReturnType<typeof resolveCursor> | 'unclear' {
  if (xmin === true)
    return field === undefined && Object.keys(rest).length === 0
      ? { field: 'xmin', type: 'integer', lag: 0, byTransaction: true }
      : 'unclear';
  return field === undefined ? 'unclear' : resolveCursor({ field, ...rest });
}

function digest(query: string): string {
  return createHash('sha256').update(query).digest('hex').slice(0, 8);
}
