import type { TrainingSetSummary } from '../contracts/features.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { StepRow } from '../storage/run-steps.js';
import { readParquet } from '../table/parquet.js';

/** Reading a larger set only to print a line would keep the user waiting. */
const MOST_ROWS = 200_000;

/** The newest row a model was tested on, as `predict --json` takes it; undefined where the store is not at hand. */
export async function exampleInput(store: ArtifactStore, steps: readonly StepRow[]): Promise<string | undefined> {
  const summary = steps.find((step) => step.step === 'features:main')?.result as TrainingSetSummary | null | undefined;
  if (summary == null || summary.trainingSet.rows > MOST_ROWS) return undefined;
  const { artifact, features } = summary.trainingSet;
  const path = await store.localPath(artifact.sha256).catch(() => undefined);
  if (path === undefined) return undefined;
  const table = await readParquet(path);
  const row = table.rowCount - 1;
  const entries = features.map(({ name }): [string, unknown] => {
    const value = table.columns.get(name)?.values[row];
    return [name, typeof value === 'number' && Number.isNaN(value) ? null : value];
  });
  return JSON.stringify(Object.fromEntries(entries)).replaceAll("'", String.raw`'\''`);
}
