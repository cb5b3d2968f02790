import { openOnnxModel } from '../deployment/onnx-model.js';
import { readChampion } from '../deployment/read-versions.js';
import { tableToColumns } from '../deployment/table-to-columns.js';
import type { ModelKey } from '../deployment/model-version.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { Queryable } from '../model/database.js';
import type { ModelSignature } from '../model/signature.js';
import type { TrainingSet } from '../model/training-set.js';
import type { ColumnTable } from '../table/column-table.js';
import { selectRows } from '../table/select-rows.js';
import type { ChampionComparison } from '../training/gates/evaluate-gates.js';
import { evaluateMetrics } from '../training/metrics/evaluate-metrics.js';

/**
 * Champion and challenger on the same held-out rows, all later than the last label the champion was trained on.
 * Undefined when nothing serves yet.
 */
export async function compareWithChampion(options: {
  readonly database: Queryable;
  readonly store: ArtifactStore;
  readonly key: ModelKey;
  readonly challenger: { readonly onnx: string; readonly predictions: string; readonly signature: ModelSignature };
  readonly trainingSet: TrainingSet;
  readonly readRows: () => Promise<ColumnTable>;
  readonly signal: AbortSignal;
}): Promise<ChampionComparison | undefined> {
  const { trainingSet, store } = options;
  const champion = await readChampion(options.database, options.key);
  if (champion === undefined) return undefined;
  const version = `v${champion.version}`;
  const none = { version, rows: 0, championMetrics: {}, challengerMetrics: {} };
  if (champion.task !== trainingSet.task || champion.trainingSet.target !== trainingSet.target) {
    return { ...none, notComputable: `${version} predicts ${champion.trainingSet.target} (${champion.task})` };
  }
  const table = await options.readRows();
  const absent = champion.signature.inputs.filter((input) => !table.columns.has(input.name)).map((input) => input.name);
  if (absent.length > 0)
    return { ...none, notComputable: `features of ${version} are not in the training set: ${absent.join(', ')}` };

  const times = table.columns.get(trainingSet.labelTime)!;
  const split = table.columns.get('_split')!;
  // Everything before its own test rows may have trained the champion.
  const trainedUntil = Date.parse(utc(champion.trainingSet.testFrom));
  const isLater = (row: number): boolean => Number(times.values[row]) >= trainedUntil;
  const heldOut = [...Array(table.rowCount).keys()].filter((row) => split.values[row] === 'test');
  const kept = heldOut.map((row, index) => ({ row, index })).filter(({ row }) => isLater(row));
  const rows = new Set(kept.map(({ row }) => row));
  const common = await selectRows(table, (row) => rows.has(row));
  const target = common.columns.get(trainingSet.target)!;
  const y = Float64Array.from(target.values, Number);

  const content = await store.read(options.challenger.predictions);
  const all = new Float64Array(content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength));
  const challenger = Float64Array.from(kept, ({ index }) => all[index]!);
  const model = await openOnnxModel({ onnx: await store.read(champion.onnx.sha256), signature: champion.signature });
  try {
    const served = await model.predict(tableToColumns(champion.signature, common), common.rowCount);
    return {
      version,
      rows: common.rowCount,
      championMetrics: await evaluateMetrics(trainingSet.task, y, Float64Array.from(served)),
      challengerMetrics: await evaluateMetrics(trainingSet.task, y, challenger),
    };
  } finally {
    await model.close();
  }
}

/** A date or timestamp without zone is UTC. */
function utc(time: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(time)
    ? `${time}T00:00:00Z`
    : /(Z|[+-]\d\d:?\d\d)$/.test(time)
      ? time
      : `${time.replace(' ', 'T')}Z`;
}
