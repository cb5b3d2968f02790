import { childTables } from '../../model/child-tables.js';
import { PARENT_LOAD } from '../nested/child-columns.js';
import type { Erasure } from './erase-place.js';

/** What holds, or may hold, rows of the key and is out of reach, one sentence each. */
export async function whatIsLeft(work: Erasure): Promise<string[]> {
  const { project, key } = work;
  const sources = project.resources.filter(({ id }) => key.sources.some(({ resource }) => resource === id));
  return [
    ...(await undeclaredTables(work)),
    ...(await formerChildTables(work)),
    ...sources.map(
      ({ id, path }) =>
        `What ${id} reads (${path}) is its owner's: delete the rows there too, or every load meets them and takes them out anew.`,
    ),
    'Tables that were made from the rows without their key, such as sums, change with the next `plumbline run transform --force`.',
    "Messages of errors in Temporal's history, which ends with its retention, what was sent (alerts, OpenLineage), lines and messages that quote the person's other values without the key, and copies that other machines hold in `.plumbline/cache` of a store on S3, were not looked into.",
    'Files that were exported, backups of PostgreSQL and of the artifact store, and its write-ahead log keep what they have.',
  ];
}

/** Tables that have a column of the key's name, and that plumbline.yaml does not name. */
async function undeclaredTables({ database, project, key }: Erasure): Promise<string[]> {
  const { raw, main } = project.schemas;
  const declared = [
    ...key.sources.map(({ resource }) => `${raw}.${project.resources.find(({ id }) => id === resource)!.table}`),
    ...key.tables.map(({ name }) => `${main}.${name}`),
  ];
  const found = await database.query<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name FROM pg_attribute a
     JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY($1) AND a.attname = $2 AND c.relkind IN ('r', 'p', 'm') AND NOT a.attisdropped ORDER BY 1`,
    [[raw, main], key.key],
  );
  return found
    .filter(({ name }) => !declared.includes(name))
    .map(({ name }) => `${name} has a column ${key.key} and is not named under \`personal.${key.key}\`.`);
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
