import type { DuckDBConnection } from '@duckdb/node-api';

/** Makes the table `given` of the values, `v`, in their order, `i`. */
export async function giveValues(duckdb: DuckDBConnection, values: readonly string[]): Promise<void> {
  await duckdb.run('CREATE OR REPLACE TEMP TABLE given (i INTEGER, v VARCHAR)');
  const appender = await duckdb.createAppender('given');
  values.forEach((value, index) => {
    appender.appendInteger(index);
    appender.appendVarchar(value);
    appender.endRow();
  });
  appender.closeSync();
}
