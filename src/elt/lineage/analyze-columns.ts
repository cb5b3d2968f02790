import { TerminalError } from '../../errors.js';
import { BRIEFLY_LOCKED } from '../../model/brief-transaction.js';
import type { Session } from '../../model/database.js';
import { qualified } from '../../model/sql-identifier.js';
import { isSqlAtFault } from '../transform/sql-error.js';
import { columnSources, type CatalogColumn, type ColumnSources } from './column-sources.js';
import { isTreeNode, itemsOf, parseNodeTree } from './parse-node-tree.js';

/** A SELECT whose columns are wanted. It reads others of the same list as `"pg_temp"."name"`. */
export interface Definition {
  readonly id: string;
  /** Name of its temporary view. */
  readonly view: string;
  readonly sql: string;
  /** The published table, whose columns stand for those of a SELECT that cannot be analysed. */
  readonly published?: string;
}

export interface ColumnOrigin {
  /** Id of a definition or of a table, or `schema.name` of a relation that the project does not make. */
  readonly node: string;
  readonly column: string;
}

export interface AnalyzedColumns {
  readonly columns: readonly { readonly name: string; readonly from: readonly ColumnOrigin[] }[];
  /** Columns that decide which rows there are. */
  readonly rows: readonly ColumnOrigin[];
  /** What is not known, in words. */
  readonly notKnown: readonly string[];
}

/**
 * The columns of each SELECT and from which columns they are made, as PostgreSQL itself understands the SELECT: each
 * becomes a temporary view, whose analysed query is read, in a transaction that is rolled back. No row is read.
 *
 * @param definitions each after those it reads
 * @param tables id → `"schema"."table"` of what is loaded
 */
export async function analyzeColumns(
  session: Session,
  definitions: readonly Definition[],
  tables: ReadonlyMap<string, string>,
): Promise<Map<string, AnalyzedColumns>> {
  const found = new Map<string, AnalyzedColumns>();
  await session.transaction(async () => {
    await session.execute('SAVEPOINT lineage');
    const catalog = new Catalog(session);
    for (const [id, table] of tables) found.set(id, await describeTable(catalog, id, table));
    for (const definition of definitions) found.set(definition.id, await describe(session, catalog, definition));
    await session.execute('ROLLBACK TO SAVEPOINT lineage');
  }, BRIEFLY_LOCKED);
  return found;
}

async function describeTable(catalog: Catalog, id: string, table: string): Promise<AnalyzedColumns> {
  const names = await catalog.add(id, table);
  if (names === undefined) return { columns: [], rows: [], notKnown: ['its table is not loaded yet'] };
  return { columns: names.map((name) => ({ name, from: [] })), rows: [], notKnown: [] };
}

async function describe(session: Session, catalog: Catalog, definition: Definition): Promise<AnalyzedColumns> {
  const view = qualified('pg_temp', definition.view);
  const refused = await define(session, view, definition.sql);
  if (refused === undefined) {
    await catalog.add(definition.id, view);
    return describeSources(session, catalog, view, await readSources(session, view));
  }
  const { published } = definition;
  if (published !== undefined && (await define(session, view, `SELECT * FROM ${published}`)) === undefined) {
    const names = await catalog.add(definition.id, view);
    const notKnown = [`where its columns come from; these are the published ones: ${refused}`];
    return { columns: names!.map((name) => ({ name, from: [] })), rows: [], notKnown };
  }
  return { columns: [], rows: [], notKnown: [`its columns: ${refused}`] };
}

/** Undefined when the view is there, else why PostgreSQL refused it. */
async function define(session: Session, view: string, sql: string): Promise<string | undefined> {
  await session.execute('SAVEPOINT definition');
  try {
    await session.execute(`CREATE TEMPORARY VIEW ${view} AS\n${sql}`, []);
    return undefined;
  } catch (error) {
    if (!isSqlAtFault(error)) throw error;
    await session.execute('ROLLBACK TO SAVEPOINT definition');
    return error.message.replaceAll('pg_temp.', '');
  }
}

async function readSources(session: Session, view: string): Promise<ColumnSources> {
  const [rule] = await session.query<{ tree: string }>(
    'SELECT ev_action::text AS tree FROM pg_rewrite WHERE ev_class = $1::regclass',
    [view],
  );
  const [query] = itemsOf(parseNodeTree(rule?.tree ?? '<>'));
  if (isTreeNode(query) && query.type === 'QUERY') return columnSources(query);
  throw new TerminalError('ELT_LINEAGE_UNREADABLE', 'Reading the analysed query of a SELECT failed: it has no query.', {
    next: 'See what depends on what without `--columns`; this PostgreSQL keeps queries in another form.',
  });
}

async function describeSources(
  session: Session,
  catalog: Catalog,
  view: string,
  { values, rows, functions }: ColumnSources,
): Promise<AnalyzedColumns> {
  const names = await catalog.columnsOf(view);
  const columns: { name: string; from: ColumnOrigin[] }[] = [];
  for (const [index, name] of names.entries()) columns.push({ name, from: await catalog.origins(values[index] ?? []) });
  const called = await session.query<{ name: string }>(
    'SELECT oid::regprocedure::text AS name FROM pg_proc WHERE oid = ANY($1::oid[]) ORDER BY 1',
    [functions],
  );
  const notKnown = called.map(({ name }) => `what ${name} reads`);
  return { columns, rows: await catalog.origins(rows), notKnown };
}

/** Names of relations and columns by PostgreSQL's numbers. */
class Catalog {
  private readonly relations = new Map<
    number,
    { readonly node: string; readonly columns: ReadonlyMap<number, string> }
  >();

  constructor(private readonly session: Session) {}

  /** Says what a relation is in the project; undefined when it is not there. */
  async add(node: string, relation: string): Promise<string[] | undefined> {
    const [row] = await this.session.query<{ oid: number | null }>('SELECT to_regclass($1)::oid AS oid', [relation]);
    if (row === undefined || row.oid === null) return undefined;
    const columns = await this.read(row.oid);
    this.relations.set(row.oid, { node, columns });
    return [...columns.values()];
  }

  async columnsOf(relation: string): Promise<string[]> {
    const [row] = await this.session.query<{ oid: number }>('SELECT $1::regclass::oid AS oid', [relation]);
    return [...(await this.read(row!.oid)).values()];
  }

  async origins(columns: readonly CatalogColumn[]): Promise<ColumnOrigin[]> {
    const origins = new Map<string, ColumnOrigin>();
    for (const { relation, column } of columns) {
      const known = this.relations.get(relation) ?? (await this.stranger(relation));
      const names = column === 0 ? [...known.columns.values()] : [known.columns.get(column) ?? '?'];
      for (const name of names) origins.set(`${known.node}.${name}`, { node: known.node, column: name });
    }
    return [...origins.values()].sort((a, b) => (`${a.node}.${a.column}` < `${b.node}.${b.column}` ? -1 : 1));
  }

  private async stranger(oid: number): Promise<{ node: string; columns: ReadonlyMap<number, string> }> {
    const [row] = await this.session.query<{ name: string }>(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1`,
      [oid],
    );
    const known = { node: row!.name, columns: await this.read(oid) };
    this.relations.set(oid, known);
    return known;
  }

  private async read(oid: number): Promise<Map<number, string>> {
    const rows = await this.session.query<{ number: number; name: string }>(
      `SELECT attnum AS number, attname AS name FROM pg_attribute
       WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [oid],
    );
    return new Map(rows.map(({ number, name }) => [number, name]));
  }
}
