import { openOnnxModel, type OnnxModel } from '../deployment/onnx-model.js';
import { readChampion } from '../deployment/read-versions.js';
import { tableToColumns } from '../deployment/table-to-columns.js';
import type { ModelKey, ModelVersion } from '../deployment/model-version.js';
import { TerminalError } from '../errors.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { Queryable } from '../model/database.js';
import type { ModelSignature } from '../model/signature.js';
import type { TrainingSet } from '../model/training-set.js';
import type { ColumnTable } from '../table/column-table.js';
import { selectRows } from '../table/select-rows.js';
import type { ChampionComparison } from '../training/gates/evaluate-gates.js';
import { evaluateMetrics } from '../training/metrics/evaluate-metrics.js';
import { findRedefinition } from './redefined-features.js';

/**
 * Champion and challenger on the same held-out rows, all later than the last label the champion was trained on.
 * Undefined when nothing serves yet; `notComputable` says why a champion cannot be compared with. What is wrong with the
 * champion never fails the run: the challenger is registered all the same.
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
  const misfit =
    findMisfit(champion, table) ??
    (await findRedefinition({ champion, trainingSet, table, store, signal: options.signal }));
  if (misfit !== undefined) return { ...none, notComputable: misfit };

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
  const model = await openChampion(store, champion);
  if (typeof model === 'string') return { ...none, notComputable: model };
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

/** Why the champion cannot take today's columns, or undefined when it can. */
function findMisfit({ version, signature }: ModelVersion, table: ColumnTable): string | undefined {
  const absent = signature.inputs.filter(({ name }) => !table.columns.has(name)).map(({ name }) => name);
  if (absent.length > 0) return `features of v${version} are not in the training set: ${absent.join(', ')}`;
  const retyped = signature.inputs.flatMap(({ name, datatype }) => {
    const was = datatype === 'BYTES' ? 'text' : 'number';
    const is = table.columns.get(name)!.kind === 'text' ? 'text' : 'number';
    return is === was ? [] : [`${name} (${was} then, ${is} now)`];
  });
  return retyped.length === 0 ? undefined : `features of v${version} have another type: ${retyped.join(', ')}`;
}

/** The champion's model, or why its file is of no use. */
async function openChampion(
  store: ArtifactStore,
  { version, onnx, signature }: ModelVersion,
): Promise<OnnxModel | string> {
  try {
    return await openOnnxModel({ onnx: await store.read(onnx.sha256), signature });
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    return `the model file of v${version} cannot be used: ${error.message.replace(/\.$/, '')}`;
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
