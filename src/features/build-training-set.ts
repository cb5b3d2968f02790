import { distance } from 'fastest-levenshtein';
import { TerminalError } from '../errors.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { Database, Session } from '../model/database.js';
import type { FeatureViewFile, LabelsFile } from '../model/project.js';
import type { TrainingSet } from '../model/training-set.js';
import { cancelOnAbort } from '../model/cancel-on-abort.js';
import { inOneSnapshot } from '../model/one-snapshot.js';
import { refuseDuplicateColumns } from './column-names.js';
import { describeFeatures } from './feature-stats.js';
import { knownAtAssumptions } from './known-at.js';
import { refuseUnknownViews } from './known-at-leak.js';
import { acceptedColumns } from './leakage/accepted-columns.js';
import { joinPointInTime } from './point-in-time-join.js';
import { stageLabels } from './stage-labels.js';
import { describeView, stageView } from './stage-view.js';
import { summarizeTarget } from './target-task.js';
import type { SqlNames } from '../model/render-sql.js';
import { readUserQuery, type UserQuery } from './user-query.js';
import { writeSnapshot } from './write-snapshot.js';

// A type, not an interface: it fits where a record of anything is taken.
export type TrainingSetProgress = {
  readonly step: 'labels' | 'view' | 'join' | 'snapshot';
  /** Feature view, for `view`. */
  readonly name?: string;
  readonly rows?: number;
};

export interface TrainingSetOptions extends SqlNames {
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly labels: LabelsFile;
  /** All feature views of the project. */
  readonly views: readonly FeatureViewFile[];
  /** Names of the views to join, in the order of their columns. */
  readonly features: readonly string[];
  /** Label rows from this date or timestamp on (UTC) are the test rows. */
  readonly testFrom: string;
  /** Names in `ref()` and `source()` whose table is rewritten (`replace`, `merge`) and so holds no history. */
  readonly rewrittenTables: ReadonlySet<string>;
  /** Name in `ref()` or `source()` → load id or fingerprint of what it holds now. */
  readonly versions?: ReadonlyMap<string, string>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrainingSetProgress) => void;
}

/**
 * Joins labels with features as they were known at label time − horizon and stores the rows as Parquet. Everything is
 * read in one snapshot of the database; nothing stays behind in it. The same data gives the same SHA-256.
 *
 * Throws TerminalErrors `FEATURES_*` for what the user has to correct; connection trouble is transient. A retry starts anew.
 */
export async function buildTrainingSet(options: TrainingSetOptions): Promise<TrainingSet> {
  const { labels, signal } = options;
  const files = chooseViews(options);
  const labelQuery = readUserQuery(labels, options);
  const views = files.map((file) => ({ file, query: readUserQuery(file, options) }));
  const assumptions = views.flatMap(({ file, query }) => knownAtAssumptions(file, query, options.rewrittenTables));
  const built = await options.database.session((session) =>
    inOneSnapshot(session, () =>
      cancelOnAbort(options.database, session, signal, () => buildInSnapshot(session, options, labelQuery, views)),
    ),
  );
  return {
    ...built,
    entity: labels.entity,
    labelTime: labels.labelTime,
    target: labels.target,
    horizonMs: labels.horizonMs,
    testFrom: options.testFrom,
    assumptions: [...assumptions, ...acceptedColumns(files), ...built.assumptions],
    inputs: inputVersions([labelQuery, ...views.map(({ query }) => query)], options.versions),
  };
}

type Built = Pick<
  TrainingSet,
  'artifact' | 'rows' | 'trainRows' | 'testRows' | 'unlabelledRows' | 'task' | 'features' | 'assumptions'
>;

async function buildInSnapshot(
  session: Session,
  options: TrainingSetOptions,
  labelQuery: UserQuery,
  viewQueries: readonly { readonly file: FeatureViewFile; readonly query: UserQuery }[],
): Promise<Built> {
  const { labels: labelsFile, testFrom, signal, onProgress } = options;
  // The join is made of index look-ups that compilation does not speed up; sorting a view wants memory.
  await session.execute(`SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '128MB'`);

  const labels = await stageLabels(session, labelsFile, labelQuery, testFrom);
  const summary = await summarizeTarget(session, labels, testFrom);
  onProgress?.({ step: 'labels', rows: summary.rows });

  const views = [];
  for (const [index, { file, query }] of viewQueries.entries())
    views.push(await describeView(session, file, query, labels, `plumbline_view_${index}`));
  refuseDuplicateColumns(labels, views);
  for (const view of views) {
    signal?.throwIfAborted();
    const rows = await stageView(session, view);
    onProgress?.({ step: 'view', name: view.file.name, rows });
  }

  signal?.throwIfAborted();
  const matches = await joinPointInTime(session, labels, views);
  const missing = refuseUnknownViews(labelsFile, views, matches);
  onProgress?.({ step: 'join', rows: summary.rows });

  const features = await describeFeatures(session, views, summary.rows);
  const artifact = await writeSnapshot(session, options.store, labels, views, signal);
  onProgress?.({ step: 'snapshot', rows: summary.rows });
  const leftOut = views
    .filter((view) => view.leftOut.length > 0)
    .map((view) => `${view.file.name}: ${view.leftOut.join(', ')} left out (bookkeeping of the load)`);
  return {
    ...summary,
    artifact,
    unlabelledRows: labels.unlabelledRows,
    features,
    assumptions: [...missing, ...leftOut],
  };
}

function chooseViews({ views, features, labels }: TrainingSetOptions): FeatureViewFile[] {
  const names = views.map(({ name }) => name);
  const refuse = (problem: string, next: string): TerminalError =>
    new TerminalError('FEATURES_UNKNOWN_VIEW', `Choosing feature views for ${labels.file} failed: ${problem}.`, {
      details: { features, views: names },
      next,
    });
  if (features.length === 0)
    throw refuse('`features` is empty', 'Name at least one feature view under train.features.');
  return features.map((name, index) => {
    if (features.indexOf(name) !== index)
      throw refuse(`\`features\` names ${name} twice`, 'Name each feature view once.');
    const view = views.find((candidate) => candidate.name === name);
    if (view !== undefined) return view;
    const nearest = names.toSorted((a, b) => distance(a, name) - distance(b, name))[0];
    throw refuse(
      `there is no feature view ${name}, expected one of ${names.join(', ') || '(none)'}`,
      nearest === undefined ? `Add features/${name}.sql.` : `Did you mean ${nearest}? Or add features/${name}.sql.`,
    );
  });
}

function inputVersions(
  queries: readonly UserQuery[],
  versions: ReadonlyMap<string, string> = new Map(),
): Record<string, string> {
  const names = [...new Set(queries.flatMap(({ refs, sources }) => [...refs, ...sources]))].sort();
  return Object.fromEntries(names.map((name) => [name, versions.get(name) ?? 'unknown']));
}
