import { TerminalError } from '../errors.js';
import type { FeatureViewFile } from '../model/project.js';
import type { UserQuery } from './user-query.js';

/**
 * What is taken for granted about when a view's rows became known, as lines for `plan` and the model card.
 *
 * Without a known-at column a row counts as known at its event time. Over a table that is rewritten (`replace`,
 * `merge`) that is refused unless a reason is given: such a table holds today's corrected values under old event times.
 */
export function knownAtAssumptions(
  view: FeatureViewFile,
  query: Pick<UserQuery, 'refs' | 'sources'>,
  rewrittenTables: ReadonlySet<string>,
): string[] {
  const declared = view.assumption === undefined ? [] : [`${view.name}: ${view.assumption}`];
  if (view.knownAt !== undefined) return declared;
  if (view.knownAtAssumed !== undefined)
    return [`${view.name}: known = event time (assumed: ${view.knownAtAssumed})`, ...declared];
  const rewritten = [...query.refs, ...query.sources].filter((name) => rewrittenTables.has(name));
  if (rewritten.length === 0) return [`${view.name}: known = event time (assumed)`, ...declared];
  throw new TerminalError(
    'FEATURES_KNOWN_AT',
    `Joining feature view ${view.name} failed: it has no known_at column and reads ${rewritten.join(', ')}, ` +
      `whose rows are rewritten, so values corrected later would pass as known at ${view.eventTime}.`,
    {
      details: { view: view.name, rewritten },
      at: { file: view.file, line: 1 },
      next:
        `Add a column that says when a row became known (\`-- known_at: column\`), ` +
        `or accept it with a reason (\`-- known_at_assumed: "rows are never corrected"\`).`,
    },
  );
}
