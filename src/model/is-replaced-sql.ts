/**
 * SQL: whether the rows of the load `l`, of a table that rows are added to, had made way at a time: for those of a newer load of the same file,
 * or answer, and interval.
 */
export function isReplacedSql(time: string): string {
  return `EXISTS (SELECT FROM plumbline.loads AS n WHERE (n.env, n.project, n.resource, n.path) = (l.env, l.project, l.resource, l.path)
    AND (n.interval_start, n.interval_end) IS NOT DISTINCT FROM (l.interval_start, l.interval_end)
    AND n.load_id > l.load_id AND n.published_at <= ${time})`;
}
