import type { Session } from '../../model/database.js';
import { erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';
import { keyOfReject, type RejectedRow } from './key-of-reject.js';
import { takenOut } from './redact-record.js';
import { takeOutRejects } from './take-out-forgotten.js';

/** Quarantined rows: those whose key is known are compared; of others, the text that holds the value is taken out. */
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
        const isTheirs = (found: string): boolean => found === value || normalKey(found, type) === sought;
        const rejected = await takeOutRejects(session, id, { name: column, index }, isTheirs);
        if (rejected > 0)
          await session.execute(
            `UPDATE plumbline.loads SET rows_rejected = rows_rejected - $2, rows_forgotten = rows_forgotten + $2 WHERE load_id = $1`,
            [id, rejected],
          );
        const blanked = await blankText(session, id, { name: column, index }, isTheirs, value);
        const parser = project.resources.find((one) => one.id === resource)?.parse?.file;
        const reasons = await blankReasons(session, id, wordIn(value), parser);
        return rejected + new Set([...blanked, ...reasons]).size;
      });
    }
  }
}

/** Takes the text out of rows of the key that stay as duplicates, and of rows whose key is not known where it holds the value; gives their numbers. */
async function blankText(
  session: Session,
  loadId: string,
  column: { readonly name: string; readonly index: number },
  isTheirs: (key: string) => boolean,
  value: string,
): Promise<string[]> {
  const word = wordIn(value);
  const rows = await session.query<RejectedRow & { row: string; hasValue: boolean }>(
    `SELECT row_number AS row, file, raw, coalesce(raw ~ $2 OR value ~ $2, false) AS "hasValue" FROM plumbline.rejects
     WHERE load_id = $1 AND (raw ~ $2 OR value ~ $2 OR kind = 'duplicate' AND raw ~ '^[[{]')`,
    [loadId, word],
  );
  const theirs = rows.filter((row) => {
    const key = keyOfReject(row, column);
    return key === undefined ? row.hasValue : key !== null && isTheirs(key);
  });
  const numbers = theirs.map(({ row }) => row);
  if (numbers.length > 0)
    await session.execute(
      'UPDATE plumbline.rejects SET raw = NULL, value = NULL WHERE load_id = $1 AND row_number = ANY($2::bigint[])',
      [loadId, numbers],
    );
  return numbers;
}

/** What PostgreSQL or a parser says of a row may quote it; what else is a reason says kinds and numbers. Gives the numbers of the rows. */
async function blankReasons(
  session: Session,
  loadId: string,
  word: string,
  parser: string | undefined,
): Promise<string[]> {
  const rows = await session.query<{ row: string }>(
    `UPDATE plumbline.rejects SET reason = $3 WHERE load_id = $1 AND reason ~ $2
       AND EXISTS (SELECT FROM unnest($4::text[]) AS by (who) WHERE starts_with(reason, who || ': '))
     RETURNING row_number AS row`,
    [loadId, word, takenOut, ['PostgreSQL', ...(parser === undefined ? [] : [parser])]],
  );
  return rows.map(({ row }) => row);
}

/** A regular expression of PostgreSQL's: the value as a word. */
function wordIn(value: string): string {
  return `(^|[^[:alnum:]_])${value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}([^[:alnum:]_]|$)`;
}
