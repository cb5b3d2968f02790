import type { ModelVersion } from '../deployment/model-version.js';
import { TerminalError } from '../errors.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { TrainingSet } from '../model/training-set.js';
import type { ColumnTable } from '../table/column-table.js';
import { compareRows } from '../table/compare-rows.js';
import { readParquet } from '../table/parquet.js';
import { MIN_ROWS } from '../training/training-rows.js';
import { plural } from '../model/plural.js';

/**
 * Why today's columns are not the features and the target that the champion learned, or undefined when they are.
 *
 * With the code behind them unchanged they are, whatever happened to the data. Code that changed may still give them,
 * for instance with one column more: then the rows that both training sets have must hold the same values.
 */
export async function findRedefinition(options: {
  readonly champion: ModelVersion;
  readonly trainingSet: TrainingSet;
  /** Rows of `trainingSet`. */
  readonly table: ColumnTable;
  readonly store: ArtifactStore;
  readonly signal: AbortSignal;
}): Promise<string | undefined> {
  const { champion, trainingSet, table, store, signal } = options;
  const learned = champion.trainingSet;
  if (learned.artifact.sha256 === trainingSet.artifact.sha256) return undefined;
  const changed = changedDefinitions(learned, trainingSet);
  if (changed === undefined) return undefined;

  const version = `v${champion.version}`;
  const before = await readLearned(store, learned, signal);
  if (typeof before === 'string') return `${changed}, and the training set of ${version} cannot be read: ${before}`;
  const columns = [...champion.signature.inputs.map(({ name }) => name), learned.target];
  const keys = [...new Set([...learned.entity, learned.labelTime])];
  const { rows, differing } = await compareRows(before, table, { keys, columns, signal });
  if (rows < MIN_ROWS) {
    return `${changed}, and ${rows} ${plural(rows, 'row is', 'rows are')} in both training sets, expected at least ${MIN_ROWS} to see whether features stayed the same`;
  }
  if (differing.length === 0) return undefined;
  const names = differing.map(({ name }) => name).join(', ');
  const most = Math.max(...differing.map((column) => column.rows));
  return `${changed}, and ${version} learned other values of ${names}: ${most} of the ${rows} ${plural(rows, 'row')} in both training sets differ`;
}

/** `features/calendar.sql changed`, or undefined when nothing did that the champion's columns come from. */
function changedDefinitions({ definitions: then }: TrainingSet, { definitions: now }: TrainingSet): string | undefined {
  if (then === undefined || now === undefined) return 'the code may have changed';
  const changed = Object.keys(then)
    .filter((name) => then[name] !== now[name])
    .sort();
  return changed.length === 0 ? undefined : `${changed.join(', ')} changed`;
}

/** The rows the champion was made from, or why they cannot be read. */
async function readLearned(
  store: ArtifactStore,
  { artifact }: TrainingSet,
  signal: AbortSignal,
): Promise<ColumnTable | string> {
  try {
    return await readParquet(await store.localPath(artifact.sha256), { signal });
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    return error.message.replace(/\.$/, '');
  }
}
