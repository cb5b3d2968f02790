/** Runs one load of a postgres source in a process of its own, so that it can be killed. */
import { loadPostgres, type PostgresLoadOptions } from '../../../src/elt/postgres/load-postgres.js';
import { openDatabase } from '../../../src/storage/database.js';

const given = JSON.parse(process.env['LOAD_PROCESS']!) as {
  readonly warehouse: string;
  readonly shop: string;
  readonly options: Omit<PostgresLoadOptions, 'database' | 'source'>;
};
const database = openDatabase({ url: given.warehouse });
const source = openDatabase({ url: given.shop, startup: '' });
await loadPostgres({ ...given.options, database, source });
await source.close();
await database.close();
