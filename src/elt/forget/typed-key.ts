import type { Queryable } from '../../model/database.js';
import { normalKey } from './key-hash.js';

/**
 * The key as a column of `type` writes it; null when it is none of that type. By PostgreSQL, as it knows how a date or a UUID is
 * written. The type must come without a length or scale: a cast to one would cut the key down to another person's. Not inside a
 * transaction: one that is none of the type would end it.
 */
export async function typedKey(database: Queryable, value: string, type: string): Promise<string | null> {
  try {
    const [row] = await database.query<{ text: string }>(`SELECT ($1::text)::${type}::text AS text`, [
      normalKey(value, type),
    ]);
    return row!.text;
  } catch (error) {
    // 22: data exception.
    if (!String((error as { code?: unknown }).code).startsWith('22')) throw error;
    return null;
  }
}
