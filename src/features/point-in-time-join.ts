import type { Session } from '../model/database.js';
import { LABELS, type StagedLabels } from './stage-labels.js';
import type { StagedView } from './stage-view.js';

/** Temporary table: the columns of LABELS, and for view i: m<i> (true when a row was found), v<i>_f0, v<i>_f1, … */
export const JOINED = 'pg_temp.plumbline_joined';

export interface ViewMatch {
  /** Label rows that found a feature row known at the cut-off. */
  readonly known: number;
  /** Label rows that found none, though by event time alone there is one: it becomes known after the cut-off. */
  readonly late: number;
}

/**
 * For each label row and view, the latest feature row of the same entity with event time ≤ label time, known-at ≤
 * cut-off (label time − horizon) and event time ≥ label time − ttl; of equal event times the one known last. Missing
 * when there is none. O(labels × log rows) as long as few rows of an entity are known late.
 */
export async function joinPointInTime(
  session: Session,
  labels: StagedLabels,
  views: readonly StagedView[],
): Promise<ViewMatch[]> {
  for (const view of views) if (view.file.knownAt !== undefined) await stageFirstKnown(session, view);
  const columns = views.flatMap((view, index) => [
    `v${index}.m AS m${index}`,
    ...view.features.map(({ alias }) => `v${index}.${alias} AS v${index}_${alias}`),
  ]);
  await session.execute(`CREATE TEMPORARY TABLE plumbline_joined ON COMMIT DROP AS
SELECT ${['l.*', ...columns].join(', ')}
  FROM ${LABELS} AS l
${views.map((view, index) => lateral(view, index)).join('\n')}
 ORDER BY ${['l.t', ...labels.entity.map((_column, index) => `l.e${index}`)].join(', ')}`);
  await session.execute(`ANALYZE ${JOINED}`);
  return countMatches(session, views);
}

/**
 * When each entity was first known at all: rows loaded in one go long after their events would otherwise be walked
 * through one by one for every earlier label.
 */
async function stageFirstKnown(session: Session, view: StagedView): Promise<void> {
  const keys = view.entity.map((_column, index) => `e${index}`);
  await session.execute(`CREATE TEMPORARY TABLE ${view.table}_first ON COMMIT DROP AS
SELECT ${[...keys, 'min(kt) AS first'].join(', ')} FROM pg_temp.${view.table}
${keys.length === 0 ? '' : `GROUP BY ${keys.join(', ')}`}`);
  await session.execute(`ANALYZE pg_temp.${view.table}_first`);
}

function lateral(view: StagedView, index: number): string {
  const hasKnownAt = view.file.knownAt !== undefined;
  const known = hasKnownAt ? [`k${index}.first <= l.c`, 'v.et <= l.t', 'v.kt <= l.c'] : ['v.et <= l.c'];
  const first = hasKnownAt
    ? `  LEFT JOIN pg_temp.${view.table}_first AS k${index} ON ${sameEntity(view, `k${index}`)}\n`
    : '';
  const features = view.features.map(({ alias }) => `v.${alias}`);
  return `${first}  LEFT JOIN LATERAL (
    SELECT ${['true AS m', ...features].join(', ')} FROM pg_temp.${view.table} AS v
     WHERE ${[sameEntity(view, 'v'), ...withinTtl(view), ...known].join(' AND ')}
     ORDER BY v.et DESC${hasKnownAt ? ', v.kt DESC' : ''} LIMIT 1
  ) AS v${index} ON true`;
}

function sameEntity(view: StagedView, alias: string): string {
  const pairs = view.entity.map(({ label, type }, index) => `${alias}.e${index} = l.e${label}::${type}`);
  return pairs.length === 0 ? 'true' : pairs.join(' AND ');
}

function withinTtl({ file }: StagedView): string[] {
  return file.ttlMs === undefined ? [] : [`v.et >= l.t - make_interval(secs => ${file.ttlMs / 1000})`];
}

async function countMatches(session: Session, views: readonly StagedView[]): Promise<ViewMatch[]> {
  const counts = views.flatMap((view, index) => [
    `count(l.m${index})::integer AS known${index}`,
    `(count(*) FILTER (WHERE CASE WHEN l.m${index} IS NULL THEN EXISTS (
        SELECT FROM pg_temp.${view.table} AS v
         WHERE ${[sameEntity(view, 'v'), 'v.et <= l.t', ...withinTtl(view)].join(' AND ')}) END))::integer AS late${index}`,
  ]);
  const [row] = await session.query<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${JOINED} AS l`);
  return views.map((_view, index) => ({ known: row![`known${index}`]!, late: row![`late${index}`]! }));
}
