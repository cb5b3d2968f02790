import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

/**
 * Lends a DuckDB connection with bounded memory; what does not fit spills into `folder`.
 *
 * @param extraMemoryMb for buffers of very long lines
 */
export async function withDuckDB<T>(
  folder: string,
  extraMemoryMb: number,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: `${256 + extraMemoryMb}MB`,
    temp_directory: folder,
    preserve_insertion_order: 'true',
  });
  const connection = await instance.connect();
  try {
    await connection.run(`SET TimeZone = 'UTC'`);
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
