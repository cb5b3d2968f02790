import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { isByInterval } from '../../model/is-by-interval.js';
import type { ColumnType, ResourceConfig, Schemas } from '../../model/project.js';
import type { OpenDuckDB } from '../read/duckdb.js';
import { mayLackDeclared } from '../read/may-lack-declared.js';
import { planColumns } from '../read/plan-columns.js';
import type { RowSource } from '../read/row-source.js';
import { contractOf } from '../schema/contract.js';
import { tableColumns } from '../schema/table-columns.js';
import { READER_VERSION, type Reader } from './ledger.js';
import type { ExtractedObject } from './load-result.js';

export interface PlanReaderOptions {
  readonly object: Pick<ExtractedObject, 'path'>;
  readonly resource: ResourceConfig;
  readonly schemas: Schemas;
  /** Columns of the published table, as far as they matter; undefined when there is none. */
  readonly existing: ReadonlyMap<string, ColumnType> | undefined;
}

/** How an object's rows are read into its stage. Throws what `planColumns` does, and `ELT_CONTRACT` where no table may be made; a retry does not help. */
export async function planReader(options: PlanReaderOptions, duckdb: OpenDuckDB, source: RowSource): Promise<Reader> {
  const { object, resource, existing } = options;
  const contract = contractOf(resource);
  if (existing === undefined && contract.tables === 'freeze') throw tableMissing(options);
  // No value shows a type, and the table's columns are not the file's to change.
  const { headers, rows, unseen = [] } = source;
  const isOwnCode = resource.parse !== undefined || resource.program !== undefined;
  if (rows === 0 && (headers.length === 0 || (!isOwnCode && headers.length === unseen.length)))
    return { version: READER_VERSION, rows: 0, dialect: source.dialect, columns: [], notices: source.notices ?? [] };
  const plan = await planColumns(duckdb, source, {
    file: object.path,
    declared: { ...resource.columns, ...Object.fromEntries(presentNested(resource, source)) },
    mayLack: (name) => mayLackDeclared(resource) || (resource.write !== 'replace' && existing?.has(name) === true),
    tellsLacking: isByInterval(resource),
    existing,
    contract,
    isMadeAnew: resource.write === 'replace',
    tolerance: resource.maxRejectedShare,
    at: resource.at,
  });
  for (const { key, setting } of keyColumns(resource, source))
    if (!plan.columns.some(({ name }) => name === key))
      throw new TerminalError(
        'ELT_COLUMN_UNKNOWN',
        `Loading ${object.path} failed: \`${setting}\` names column ${JSON.stringify(key)}, but the file has no such column; it has ${plan.columns.map(({ name }) => JSON.stringify(name)).join(', ')}.`,
        { at: resource.at, details: { column: key }, next: `Correct \`${setting}\`.` },
      );
  const stream = source.stream === undefined ? {} : { stream: source.stream };
  return { version: READER_VERSION, rows: source.rows, dialect: source.dialect, ...plan, ...stream };
}

/** Columns that have child tables are read as jsonb, whatever is in them; a file may lack them. */
export function nestedTypes({ children = [] }: Pick<ResourceConfig, 'children'>): Map<string, ColumnType> {
  return new Map(children.map(({ field }) => [field, 'jsonb']));
}

function presentNested(resource: ResourceConfig, { headers }: RowSource): [string, ColumnType][] {
  const names = new Set(headers.map((header) => header.trim()));
  return [...nestedTypes(resource)].filter(([name]) => names.has(name));
}

/** Rows are added to the table as it is, and one that is made anew becomes no narrower; a stream's schema says its types, unless there is a contract. */
export async function existingColumns(
  session: Session,
  { resource, schemas }: Pick<PlanReaderOptions, 'resource' | 'schemas'>,
): Promise<ReadonlyMap<string, ColumnType> | undefined> {
  const isOwn = resource.singer !== undefined && resource.contract === undefined;
  return isOwn ? undefined : tableColumns(session, schemas.raw, resource.table);
}

/** Types of values that are written as the table's: one that is made anew with the file's own types says nothing about that. */
export function readTypes(
  resource: ResourceConfig,
  existing: ReadonlyMap<string, ColumnType> | undefined,
): ReadonlyMap<string, ColumnType> {
  const isOwn = resource.write === 'replace' && contractOf(resource).types === 'evolve';
  return (isOwn ? undefined : existing) ?? new Map<string, ColumnType>();
}

/** Columns that a file must have. A key of JSON that no row has may come with a later file. */
function keyColumns({ primaryKey, merge }: ResourceConfig, source: RowSource): { key: string; setting: string }[] {
  const marker = merge?.hardDelete === undefined || source.dialect['format'] === 'ndjson' ? [] : [merge.hardDelete];
  return [
    ...primaryKey.map((key) => ({ key, setting: 'primary_key' })),
    ...(merge?.key ?? []).map((key) => ({ key, setting: 'merge.key' })),
    ...marker.map((key) => ({ key, setting: 'merge.hard_delete' })),
  ];
}

function tableMissing({ object, resource, schemas }: PlanReaderOptions): TerminalError {
  return new TerminalError(
    'ELT_CONTRACT',
    `Loading ${object.path} failed: there is no table ${schemas.raw}.${resource.table}, and \`contract.tables\` is freeze.`,
    {
      at: resource.at,
      next: 'Correct the name of the source, or set `contract: {tables: evolve}` for the first load.',
    },
  );
}
