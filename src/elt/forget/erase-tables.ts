import { TerminalError } from '../../errors.js';
import { childTables } from '../../model/child-tables.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { rootRow } from '../nested/child-columns.js';
import { columnType, erase, type Erasure } from './erase-place.js';
import { typedKey } from './typed-key.js';

/** The project's published tables, and stages whose load waits for its publication. */
export async function eraseTables(work: Erasure): Promise<void> {
  const { project, key, database } = work;
  const { schemas, resources } = project;
  for (const { resource: id, column } of key.sources) {
    const resource = resources.find((one) => one.id === id)!;
    const children = childTables(resource);
    const published = children.map((child) => ({ name: child.table, rootRow: rootRow(child) }));
    await eraseTable(work, { schema: schemas.raw, name: resource.table, column, isLoaded: true, children: published });
    const staged = await database.query<{ name: string; children: { target: string; table: string }[] }>(
      `SELECT stage_table AS name, coalesce(reader -> 'children', '[]') AS children FROM plumbline.loads
       WHERE env = $1 AND project = $2 AND resource = $3 AND status = 'staged' AND stage_table IS NOT NULL`,
      [project.env, project.name, id],
    );
    for (const { name, children: stages } of staged) {
      const waiting = children.flatMap((child) => {
        const stage = stages.find(({ target }) => target === child.table);
        return stage === undefined ? [] : [{ name: stage.table, rootRow: rootRow(child) }];
      });
      await eraseTable(work, { schema: schemas.stage, name, column, isLoaded: true, mayLack: true, children: waiting });
    }
  }
  for (const { name, column } of key.tables) await eraseTable(work, { schema: schemas.main, name, column, isLoaded: false });
  // A finished build that is kept for the next run would bring the rows back.
  if (!work.dryRun)
    await database.execute(
      `UPDATE plumbline.transform_builds SET kept_until = now() WHERE stage_schema = $1 AND kept_until > now()`,
      [schemas.stage],
    );
} // prettier-ignore

async function eraseTable(
  work: Erasure,
  table: {
    readonly schema: string;
    readonly name: string;
    readonly column: string;
    /** It has the number of the load that each row came with, whose counts change with it. */
    readonly isLoaded: boolean;
    readonly mayLack?: boolean;
    /** Child tables, with the column that names the row which theirs came with. */
    readonly children?: readonly { readonly name: string; readonly rootRow: string }[];
  },
): Promise<void> {
  const { schema, name, column, isLoaded, mayLack, children = [] } = table;
  const { project } = work;
  const type = await columnType(work.database, schema, name, column);
  // Not built yet.
  if (type === undefined) return;
  if (type === null) {
    if (mayLack === true) return;
    throw columnMissing(work, `${schema}.${name}`, column);
  }
  // A value that is none of the column's type is in no row of it.
  const parameters = [work.value, await typedKey(work.database, work.value, type)];
  const where = `t.${identifier(column)}::text = $1 OR t.${identifier(column)} = $2::${type}`;
  // First: the rows that they came with say whose they are.
  for (const child of children) await eraseChildren(work, { schema, parent: name, ...child }, where, parameters);
  await erase(work, 'table', `${schema}.${name}`, async (session) => {
    if (!isLoaded) return session.execute(`DELETE FROM ${qualified(schema, name)} AS t WHERE ${where}`, parameters);
    const [deleted] = await session.query<{ rows: number }>(
      `WITH gone AS (DELETE FROM ${qualified(schema, name)} AS t WHERE ${where} RETURNING _load_id),
         per_load AS (SELECT _load_id, count(*) AS rows FROM gone GROUP BY _load_id),
         counted AS (UPDATE plumbline.loads l SET rows_loaded = l.rows_loaded - least(p.rows, l.rows_loaded),
             rows_forgotten = l.rows_forgotten + least(p.rows, l.rows_loaded)
           FROM per_load p WHERE l.load_id = p._load_id),
         versions AS (UPDATE plumbline.resource_versions v SET row_count = greatest(0, v.row_count - (SELECT count(*) FROM gone))
           WHERE (v.env, v.project, v.table_schema, v.table_name) = ($3, $4, $5, $6) AND NOT EXISTS (SELECT FROM plumbline.resource_versions newer
             WHERE (newer.env, newer.project, newer.resource) = (v.env, v.project, v.resource) AND newer.version > v.version))
       SELECT count(*)::float8 AS rows FROM gone`,
      [...parameters, project.env, project.name, schema, name],
    );
    return deleted!.rows;
  });
}

async function eraseChildren(
  work: Erasure,
  table: { readonly schema: string; readonly parent: string; readonly name: string; readonly rootRow: string },
  where: string,
  parameters: readonly unknown[],
): Promise<void> {
  const { schema, parent, name, rootRow: row } = table;
  // Not loaded since it became a child table.
  if ((await columnType(work.database, schema, name, row)) == null) return;
  await erase(work, 'table', `${schema}.${name}`, (session) =>
    session.execute(
      `DELETE FROM ${qualified(schema, name)} AS c USING ${qualified(schema, parent)} AS t
       WHERE c._load_id = t._load_id AND c.${identifier(row)} = t._row_number AND (${where})`,
      parameters,
    ),
  );
}

function columnMissing({ key }: Erasure, table: string, column: string): TerminalError {
  return new TerminalError(
    'FORGET_COLUMN_MISSING',
    `Forgetting a ${key.key} failed: ${table} has no column ${JSON.stringify(column)}, which \`personal.${key.key}\` names.`,
    { at: { file: 'plumbline.yaml' }, next: 'Correct the column, then run the same command again; it goes on.' },
  );
}
