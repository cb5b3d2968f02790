import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

/** Gives the connection, which the first call opens: some 20 ms that most clean CSV files never need. */
export type OpenDuckDB = () => Promise<DuckDBConnection>;

/** Gives an instance that several small objects use, each over a connection of its own. */
export type SharedDuckDB = () => Promise<DuckDBInstance>;

/**
 * Lends a DuckDB connection with bounded memory, once it is asked for; what does not fit spills into `folder`.
 *
 * @param options.extraMemoryMb for buffers of very long lines; with them the instance is its own
 */
export async function withDuckDB<T>(
  options: { readonly folder: string; readonly extraMemoryMb: number; readonly shared?: SharedDuckDB | undefined },
  work: (open: OpenDuckDB) => Promise<T>,
): Promise<T> {
  const { folder, extraMemoryMb, shared } = options;
  if (shared === undefined || extraMemoryMb > 0)
    return withInstance(folder, extraMemoryMb, (own) => withDuckDB({ folder, extraMemoryMb: 0, shared: own }, work));
  let opened: Promise<DuckDBConnection> | undefined;
  const open = async (): Promise<DuckDBConnection> => {
    const connection = await (await shared()).connect();
    await connection.run(`SET TimeZone = 'UTC'`);
    return connection;
  };
  try {
    return await work(() => (opened ??= open()));
  } finally {
    (await opened?.catch(() => undefined))?.closeSync();
  }
}

/** Lends an instance, which is opened when it is asked for. */
export async function withInstance<T>(
  folder: string,
  extraMemoryMb: number,
  work: (shared: SharedDuckDB) => Promise<T>,
): Promise<T> {
  let opened: Promise<DuckDBInstance> | undefined;
  const settings = {
    threads: '2',
    memory_limit: `${256 + extraMemoryMb}MB`,
    temp_directory: folder,
    preserve_insertion_order: 'true',
  };
  try {
    return await work(() => (opened ??= DuckDBInstance.create(':memory:', settings)));
  } finally {
    (await opened?.catch(() => undefined))?.closeSync();
  }
}
