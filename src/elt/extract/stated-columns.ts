import type { Queryable, Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { commonType } from '../schema/unify-columns.js';

/** Types that a source states of its own rows, by column; null where it had texts, or values without a type in common. */
export type StatedColumns = Readonly<Record<string, ColumnType | null>>;

/** Marks an extract as complete, with what its pages state of their columns. */
export async function completeExtract(session: Session, extractId: string): Promise<void> {
  const pages = await session.query<{ columns: StatedColumns }>(
    'SELECT columns FROM plumbline.raw_pages WHERE extract_id = $1 AND columns IS NOT NULL ORDER BY page',
    [extractId],
  );
  const columns = pages.reduce<StatedColumns>((all, page) => unite(all, page.columns), {});
  await session.execute('UPDATE plumbline.extracts SET completed_at = now(), columns = $2 WHERE extract_id = $1', [
    extractId,
    pages.length === 0 ? null : JSON.stringify(columns),
  ]);
}

/** What a complete extract states of its columns; undefined when it states nothing. */
export async function statedColumns(
  database: Queryable,
  extractId: string,
): Promise<ReadonlyMap<string, ColumnType> | undefined> {
  const [extract] = await database.query<{ columns: StatedColumns | null }>(
    'SELECT columns FROM plumbline.extracts WHERE extract_id = $1',
    [extractId],
  );
  if (extract?.columns == null) return undefined;
  return new Map(Object.entries(extract.columns).flatMap(([name, type]) => (type === null ? [] : [[name, type]])));
}

/** As JSON; null when nothing is stated. Names that PostgreSQL cannot store are left out: rows that have them are quarantined. */
export function statedJson(columns: StatedColumns): string | null {
  const storable = Object.entries(columns).filter(([name]) => !/[\0\p{Surrogate}]/u.test(name));
  return storable.length === 0 ? null : JSON.stringify(Object.fromEntries(storable));
}

function unite(one: StatedColumns, other: StatedColumns): StatedColumns {
  // A column may be called `constructor` or `__proto__`.
  const united = new Map(Object.entries(one));
  for (const [name, type] of Object.entries(other)) {
    const before = united.get(name);
    united.set(name, before === undefined ? type : common(before, type));
  }
  return Object.fromEntries(united);
}

function common(one: ColumnType | null, other: ColumnType | null): ColumnType | null {
  if (one === null || other === null) return null;
  const type = commonType(one, other, false);
  // Nothing in common: what the values are written like decides.
  return type === 'text' && one !== other ? null : type;
}
