import { TerminalError } from '../errors.js';
import type { LabelsFile } from '../model/project.js';
import type { ViewMatch } from './point-in-time-join.js';
import type { StagedView } from './stage-view.js';
import { positionOf } from './user-query.js';

/** Share of the label rows with a feature row, from which on "becomes known only after the cut-off" is said of the view. */
const LEAK_SHARE = 0.99;
/** Share from which on it is worth a line in the assumptions. */
const WORTH_SAYING = 0.05;

/**
 * Refuses views that are not known when the prediction is made: (nearly) every label row that has a feature row by
 * event time has none that is known at the cut-off. A view that has older rows to offer there is sound and passes.
 * Gives a line for each view that misses a part of the rows in this way.
 */
export function refuseUnknownViews(
  labels: LabelsFile,
  views: readonly StagedView[],
  matches: readonly ViewMatch[],
): string[] {
  const leaking: { view: StagedView; late: number; rows: number }[] = [];
  const notes: string[] = [];
  views.forEach((view, index) => {
    const { known, late } = matches[index]!;
    const rows = known + late;
    if (rows === 0) throw noMatch(view, labels);
    if (late >= LEAK_SHARE * rows) leaking.push({ view, late, rows });
    else if (late >= WORTH_SAYING * rows)
      notes.push(
        `${view.file.name}: missing in ${late} of ${rows} label rows, where it becomes known only after the cut-off`,
      );
  });
  const [first] = leaking;
  if (first === undefined) return notes;
  const columns = leaking.flatMap(({ view }) => view.features.map(({ name }) => name));
  const evidence = leaking.map(({ view, late, rows }) => {
    const known = view.file.knownAt === undefined ? `${view.file.eventTime}, its event time` : view.file.knownAt;
    return `${view.file.name} has a row for ${rows} label rows, and for ${late} of them it becomes known (${known}) after the cut-off`;
  });
  const cutOff = labels.horizonMs === 0 ? labels.labelTime : `${duration(labels.horizonMs)} before ${labels.labelTime}`;
  throw new TerminalError(
    'FEATURES_LEAK',
    `Feature ${columns.length === 1 ? 'column' : 'columns'} ${columns.join(', ')} would leak the future: ` +
      `predictions are made at ${cutOff}, but ${evidence.join('; ')}.`,
    {
      details: {
        rule: 'known_at',
        columns,
        views: leaking.map(({ view }) => view.file.name),
        horizonMs: labels.horizonMs,
      },
      at: positionOf(first.view.query, first.view.features[0]!.name),
      next:
        first.view.file.ttlMs !== undefined && first.view.file.ttlMs < labels.horizonMs
          ? `Make the ttl of ${first.view.file.name} (${duration(first.view.file.ttlMs)}) longer than the horizon, or remove these columns.`
          : 'Remove these columns, use an earlier value of them, or add a known_at column if they are known earlier.',
    },
  );
}

function noMatch(view: StagedView, labels: LabelsFile): TerminalError {
  const ttl = view.file.ttlMs === undefined ? '' : ` and at most ${duration(view.file.ttlMs)} older`;
  return new TerminalError(
    'FEATURES_NO_MATCH',
    `Joining feature view ${view.file.name} failed: no label row finds a row with the same ${view.file.entity.join(', ') || 'time'} ` +
      `and ${view.file.eventTime} not later than ${labels.labelTime}${ttl}.`,
    {
      details: { view: view.file.name, entity: view.file.entity },
      at: { file: view.file.file },
      next: 'Compare the entity values and times of the view with those of the labels.',
    },
  );
}

function duration(milliseconds: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ] as const;
  // 24h stays 24h: a horizon of one day is mostly written so.
  if (milliseconds === 86_400_000) return '24h';
  const unit = units.find(([size]) => milliseconds % size === 0 && milliseconds > 0);
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / unit[0]}${unit[1]}`;
}
