import { TerminalError } from '../errors.js';
import type { Session } from '../model/database.js';
import type { FeatureColumn } from '../model/training-set.js';
import { JOINED } from './point-in-time-join.js';
import type { StagedView } from './stage-view.js';
import { positionOf } from './user-query.js';
import { plural } from '../model/plural.js';

/** The feature columns in order, with their share of missing values. An infinite value is a TerminalError. */
export async function describeFeatures(
  session: Session,
  views: readonly StagedView[],
  rows: number,
): Promise<FeatureColumn[]> {
  const features = views.flatMap((view, index) =>
    view.features.map((feature) => ({ view, feature, column: `v${index}_${feature.alias}` })),
  );
  const counts = features.flatMap(({ feature, column }, index) => [
    `count(${column})::integer AS present${index}`,
    ...(feature.kind === 'number'
      ? [`(count(*) FILTER (WHERE ${column} IN ('Infinity', '-Infinity')))::integer AS infinite${index}`]
      : []),
  ]);
  const [row] = await session.query<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${JOINED}`);
  return features.map(({ view, feature }, index) => {
    const infinite = row![`infinite${index}`] ?? 0;
    if (infinite > 0)
      throw new TerminalError(
        'FEATURES_VALUE',
        `Reading feature ${feature.name} of ${view.file.file} failed: it is infinite in ${infinite} of ${rows} ${plural(rows, 'row')}, expected a finite number or NULL.`,
        {
          details: { view: view.file.name, column: feature.name, rows: infinite },
          at: positionOf(view.query, feature.name),
          next: 'Turn infinite values into NULL in the SELECT, e.g. by dividing by nullif(x, 0).',
        },
      );
    return {
      name: feature.name,
      view: view.file.name,
      kind: feature.kind,
      nullShare: (rows - row![`present${index}`]!) / rows,
    };
  });
}
