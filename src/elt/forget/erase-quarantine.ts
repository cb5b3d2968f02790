import { erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';
import { takeOutRejects } from './take-out-forgotten.js';

/** Quarantined rows: those whose values are known are compared; of others, the text that holds the value is taken out. */
export async function eraseQuarantine(work: Erasure): Promise<void> {
  const { project, key, database, value } = work;
  for (const { resource, column } of key.sources) {
    const loads = await database.query<{ id: string; columns: { name: string; type: string }[] | null }>(
      `SELECT l.load_id AS id, l.reader -> 'columns' AS columns FROM plumbline.loads l
       WHERE l.env = $1 AND l.project = $2 AND l.resource = $3
         AND EXISTS (SELECT FROM plumbline.rejects r WHERE r.load_id = l.load_id)`,
      [project.env, project.name, resource],
    );
    for (const { id, columns } of loads) {
      const index = columns?.findIndex(({ name }) => name === column) ?? -1;
      await erase(work, 'quarantine', `load ${id} of ${resource}`, async (session) => {
        const type = columns?.[index]?.type;
        const sought = normalKey(value, type);
        const isTheirs = (values: readonly unknown[]): boolean =>
          typeof values[index] === 'string' && normalKey(values[index], type) === sought;
        const rejected = index === -1 ? 0 : await takeOutRejects(session, id, isTheirs);
        if (rejected > 0)
          await session.execute(
            `UPDATE plumbline.loads SET rows_rejected = rows_rejected - $2, rows_forgotten = rows_forgotten + $2 WHERE load_id = $1`,
            [id, rejected],
          );
        const word = `(^|[^[:alnum:]_])${value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}([^[:alnum:]_]|$)`;
        const blanked = await session.execute(
          `UPDATE plumbline.rejects SET raw = NULL, value = NULL WHERE load_id = $1 AND (raw ~ $2 OR value ~ $2)`,
          [id, word],
        );
        return rejected + blanked;
      });
    }
  }
}
