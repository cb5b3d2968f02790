import type { Queryable } from '../../model/database.js';

/**
 * Sets a transaction up for questions to the catalog: names in definitions come out qualified, and a kept statement is planned once, whatever
 * its parameters are, instead of five times before PostgreSQL sees that all plans are the same.
 */
export async function readCatalog(session: Queryable): Promise<void> {
  await session.execute(
    `SELECT set_config('search_path', '', true), set_config('plan_cache_mode', 'force_generic_plan', true)`,
  );
}
