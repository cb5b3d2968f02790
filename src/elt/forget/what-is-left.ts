import { childTables } from '../../model/child-tables.js';
import { hideParameters } from '../../hide-parameters.js';
import { plural } from '../../model/plural.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { PARENT_LOAD } from '../nested/child-columns.js';
import type { Erasure } from './erase-place.js';
import { typedKey } from './typed-key.js';

/** What holds, or may hold, rows of the key and is out of reach, one sentence each. */
export async function whatIsLeft(work: Erasure): Promise<string[]> {
  const { project, key } = work;
  const sources = project.resources.filter(({ id }) => key.sources.some(({ resource }) => resource === id));
  return [
    ...(await undeclaredTables(work)),
    ...(await formerChildTables(work)),
    ...(await seeds(work, sources)),
    ...sources.map(
      ({ id, path }) =>
        `What ${id} reads (${hideParameters(path)}) is its owner's: delete the rows there too, or every load meets them and takes them out anew.`,
    ),
    'Tables that were made from the rows without their key, such as sums, are built anew by the next run; of incremental tables what they have already stays until `--force`, of snapshots for good.',
    "Messages of errors in Temporal's history, which ends with its retention, what was sent (alerts, OpenLineage), lines and messages that quote the person's other values without the key, and copies that other machines hold in `.plumbline/cache` of a store on S3, were not looked into.",
    'Files that were exported, backups of PostgreSQL and of the artifact store, and its write-ahead log keep what they have.',
  ];
}

/**
 * Tables in which a column of a name that `personal` gives for the key has its value, and that plumbline.yaml does not name. Child tables of a
 * declared source go with its rows.
 */
async function undeclaredTables({ database, project, key, value }: Erasure): Promise<string[]> {
  const { raw, main } = project.schemas;
  const sources = key.sources.map(({ resource }) => project.resources.find(({ id }) => id === resource)!);
  const declared = [
    ...sources.flatMap((resource) => [resource, ...childTables(resource)].map(({ table }) => `${raw}.${table}`)),
    ...key.tables.map(({ name }) => `${main}.${name}`),
  ];
  const columns = [key.key, key.predictions, ...[...key.sources, ...key.tables].map(({ column }) => column)];
  const found = await database.query<{ schema: string; name: string; column: string; type: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, a.attname AS column, format_type(a.atttypid, -1) AS type
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY($1) AND a.attname = ANY($2) AND c.relkind IN ('r', 'p', 'm') AND NOT a.attisdropped
       AND n.nspname || '.' || c.relname <> ALL($3) ORDER BY 1, 2, 3`,
    [[raw, main], columns, declared],
  );
  const left: string[] = [];
  for (const { schema, name, column, type } of found) {
    const own = `t.${identifier(column)}`;
    const [counted] = await database.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${qualified(schema, name)} AS t WHERE ${own}::text = $1 OR ${own} = $2::${type}`,
      [value, await typedKey(database, value, type)],
    );
    const { rows } = counted!;
    if (rows > 0)
      left.push(
        `${schema}.${name} has ${rows} ${plural(rows, 'row')} with this ${column} and is not named under \`personal.${key.key}\`. If they are the person's, name it there and forget the key again.`,
      );
  }
  return left;
}

/** Seeds are code: each run's bundle holds them, as does the repository. */
async function seeds({ database, project }: Erasure, sources: readonly ResourceConfig[]): Promise<string[]> {
  const left: string[] = [];
  for (const { id, path } of sources.filter(({ isSeed }) => isSeed === true)) {
    const bundles = await database.query<{ digest: string }>(
      'SELECT left(digest, 12) AS digest FROM plumbline.bundles WHERE project = $1 AND jsonb_exists(files, $2) ORDER BY created_at',
      [project.name, path],
    );
    const held = bundles.length === 0 ? '' : ` (${bundles.map(({ digest }) => digest).join(', ')})`;
    left.push(
      `Seed ${id} (${path}) is code, and the code bundles that have the file${held} keep its rows: delete them from the file, and from the repository's history. A bundle goes with the last run, schedule and model version of its own, after \`retention.runs\`, by \`plumbline gc\`.`,
    );
  }
  return left;
}

/** Child tables that are none any more: nothing says whose rows they have. */
async function formerChildTables({ database, project }: Erasure): Promise<string[]> {
  const { raw } = project.schemas;
  const found = await database.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND a.attname = $2 AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
       AND c.relname <> ALL($3) ORDER BY 1`,
    [raw, PARENT_LOAD, project.resources.flatMap((resource) => childTables(resource).map(({ table }) => table))],
  );
  return found.map(
    ({ name }) =>
      `${raw}.${name} was a child table and is not under \`children\` any more: it was not looked into. Drop it.`,
  );
}
