import { literal } from '../model/sql-identifier.js';

/** What stands behind FROM for a Parquet file: its own columns only, though a folder above it is called `year=2024`, which DuckDB would read too. */
export function parquetRows(path: string): string {
  return `read_parquet(${literal(path)}, hive_partitioning = false)`;
}
