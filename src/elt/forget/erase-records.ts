import type { Session } from '../../model/database.js';
import { erase, type Erasure } from './erase-place.js';
import { redactRecord, takenOut, wordOf } from './redact-record.js';

interface RecordColumn {
  readonly table: string;
  readonly column: string;
  /** What names a row, as text. */
  readonly id: string;
  /** That the row is the project's; $1 is the environment, $2 the project. */
  readonly where: string;
}

const OWN = '(env, project) = ($1, $2)';
const OF_RUN = 'run_id IN (SELECT run_id FROM plumbline.runs WHERE (env, project) = ($1, $2))';

/** Where errors are kept with their messages, and rows that failed tests. */
const RECORDS: readonly RecordColumn[] = [
  { table: 'runs', column: 'error', id: 'run_id', where: OWN },
  { table: 'runs', column: 'result', id: 'run_id', where: OWN },
  { table: 'run_steps', column: 'error', id: `run_id || ' ' || step`, where: OF_RUN },
  { table: 'run_steps', column: 'result', id: `run_id || ' ' || step`, where: OF_RUN },
  { table: 'step_results', column: 'result', id: `step || ' ' || fingerprint`, where: OWN },
  { table: 'transform_builds', column: 'tests', id: `run_id || ' ' || schema || '.' || name`, where: OF_RUN },
  { table: 'loads', column: 'error', id: 'load_id', where: OWN },
  { table: 'alerts', column: 'payload', id: 'event_id::text', where: OWN },
  { table: 'lineage_events', column: 'event', id: 'event_id::text', where: OF_RUN },
];

/**
 * What programs printed, messages of errors, rows that failed tests, reasons of skips and addresses that were asked for a row: lines, texts and rows that have the key as a word are taken out
 * whole, as nothing says what else in them is the person's. A text of another row that has the same word by chance goes with them.
 */
export async function eraseRecords(work: Erasure): Promise<void> {
  await erase(work, 'run logs', 'plumbline.run_logs', (session) => redactLogs(session, work), 'rewritten');
  for (const record of RECORDS)
    await erase(work, 'messages', `plumbline.${record.table} ${record.column}`, (session) => redactColumn(session, work, record), 'rewritten'); // prettier-ignore
  await erase(
    work,
    'messages',
    'plumbline.intervals skip_reason',
    (session) => redactSkips(session, work),
    'rewritten',
  );
  await erase(work, 'messages', 'plumbline.raw_pages', (session) => redactRequests(session, work), 'rewritten');
}

// Blocks and records that are in memory at a time; a block has a MiB at most.
const AT_ONCE = 50;

async function redactLogs(session: Session, { project, spellings }: Erasure): Promise<number> {
  const words = writtenAs(spellings);
  const word = wordOf(words);
  let lines = 0;
  const found = await session.query<{ id: string }>(
    `SELECT ctid::text AS id FROM plumbline.run_logs WHERE ${OF_RUN} AND ${mayHave('content', '$3')} FOR UPDATE`,
    [project.env, project.name, pieces(words)],
  );
  for (const some of chunks(found.map(({ id }) => id))) {
    const blocks = await session.query<{ id: string; content: string }>(
      'SELECT ctid::text AS id, content FROM plumbline.run_logs WHERE ctid = ANY($1::tid[])',
      [some],
    );
    for (const { id, content } of blocks) {
      let here = 0;
      const kept = content.split('\n').map((line) => (word.test(line) ? (here++, takenOut) : line));
      if (here === 0) continue;
      const text = kept.join('\n');
      await session.execute('UPDATE plumbline.run_logs SET content = $2, bytes = octet_length($2) WHERE ctid = $1::tid', [id, text]); // prettier-ignore
      lines += here;
    }
  }
  return lines;
}

async function redactColumn(
  session: Session,
  { project, spellings }: Erasure,
  { table, column, id, where }: RecordColumn,
): Promise<number> {
  const words = writtenAs(spellings);
  const word = wordOf(words);
  const own = [project.env, project.name];
  const found = await session.query<{ id: string }>(
    `SELECT ${id} AS id FROM plumbline.${table} WHERE ${where} AND ${mayHave(`${column}::text`, '$3')}`,
    [...own, pieces(words)],
  );
  let records = 0;
  for (const some of chunks(found.map((row) => row.id))) {
    const rows = await session.query<{ id: string; record: unknown }>(
      `SELECT ${id} AS id, ${column} AS record FROM plumbline.${table} WHERE ${where} AND ${id} = ANY($3) FOR UPDATE`,
      [...own, some],
    );
    for (const row of rows) {
      const redacted = redactRecord(row.record, word);
      if (redacted === row.record) continue;
      records += await session.execute(`UPDATE plumbline.${table} SET ${column} = $4 WHERE ${where} AND ${id} = $3`, [
        ...own,
        row.id,
        JSON.stringify(redacted),
      ]);
    }
  }
  return records;
}

/** Why intervals were skipped, in a person's words. */
async function redactSkips(session: Session, { project, spellings }: Erasure): Promise<number> {
  const words = writtenAs(spellings);
  const word = wordOf(words);
  const found = await session.query<{ id: string; reason: string }>(
    `SELECT ctid::text AS id, skip_reason AS reason FROM plumbline.intervals WHERE ${OWN} AND ${mayHave('skip_reason', '$3')} FOR UPDATE`,
    [project.env, project.name, pieces(words)],
  );
  const theirs = found.filter(({ reason }) => word.test(reason)).map(({ id }) => id);
  return session.execute('UPDATE plumbline.intervals SET skip_reason = $2 WHERE ctid = ANY($1::tid[])', [theirs, takenOut]); // prettier-ignore
}

/**
 * Addresses and bodies that a source was asked with row by row name the row, and so does what leads to the next page. An extract that was not
 * complete and loses its way by that is begun anew (`beginExtract`).
 */
async function redactRequests(session: Session, { project, spellings }: Erasure): Promise<number> {
  const words = writtenAs(spellings);
  const word = wordOf(words);
  const found = await session.query<
    Record<'id' | 'url', string> & Record<'nextUrl' | 'nextAt' | 'body', string | null>
  >(
    `SELECT p.ctid::text AS id, p.url, p.body, p.next_url AS "nextUrl", p.next_at AS "nextAt"
     FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
     WHERE (e.env, e.project) = ($1, $2) AND p.parent > 0 AND ${mayHave(`concat_ws(' ', p.url, p.next_url, p.body, p.next_at)`, '$3')} FOR UPDATE OF p`,
    [project.env, project.name, pieces(words)],
  );
  const theirs = (text: string | null): boolean => text !== null && word.test(text);
  const rows = found
    .map(({ id, url, nextUrl, nextAt, body }) => ({ id, url: theirs(url), next: theirs(nextUrl), at: theirs(nextAt), body: theirs(body) }))
    .filter(({ url, next, at, body }) => url || next || at || body); // prettier-ignore
  for (const some of chunks(rows))
    await session.execute(
      `UPDATE plumbline.raw_pages AS p SET url = CASE WHEN r.url THEN $2 ELSE p.url END, next_url = CASE WHEN r.next THEN $2 ELSE p.next_url END,
         body = CASE WHEN r.body THEN $2 ELSE p.body END, next_at = CASE WHEN r.at THEN $2 ELSE p.next_at END
       FROM jsonb_to_recordset($1) AS r (id tid, url boolean, next boolean, body boolean, at boolean) WHERE p.ctid = r.id`,
      [JSON.stringify(some), takenOut],
    );
  return rows.length;
}

/** As programs and addresses write it too: `Zoë` is `Zo\u00eb` in Python's JSON, and `Zo%C3%AB` in a URL. */
function writtenAs(spellings: readonly string[]): string[] {
  const ascii = (text: string): string =>
    text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [...new Set(spellings.flatMap((one) => [one, encodeURIComponent(one), ascii(one)]))];
}

/** A condition that every text meets that has one of the words, however it is escaped there. */
function mayHave(text: string, parameter: string): string {
  return `EXISTS (SELECT FROM unnest(${parameter}::text[]) AS piece WHERE strpos(lower(${text}), lower(piece)) > 0)`;
}

/** Of each word the longest part that looks the same in JSON, and in JSON inside of JSON. */
function pieces(words: readonly string[]): string[] {
  return words.map((word) =>
    (word.match(/[^"\\\p{Cc}]+/gu) ?? ['']).reduce((best, part) => (part.length > best.length ? part : best)),
  );
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += AT_ONCE) yield all.slice(start, start + AT_ONCE);
}
