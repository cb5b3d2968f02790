import type { Task } from '../../model/training-set.js';
import type { Pace } from '../../table/pace.js';
import { accuracy } from './accuracy.js';
import { averagePrecision } from './average-precision.js';
import { brier } from './brier.js';
import { logLoss } from './log-loss.js';
import { mae } from './mae.js';
import { mape } from './mape.js';
import { r2 } from './r2.js';
import { rmse } from './rmse.js';
import { rocAuc } from './roc-auc.js';

export interface Metric {
  readonly name: string;
  readonly task: Task;
  readonly better: 'lower' | 'higher';
  /** Truths and predictions of length n; for a binary task, truths are 0 or 1 and predictions probabilities of 1. */
  readonly compute: (y: Float64Array, predictions: Float64Array, pace: Pace) => number | Promise<number>;
}

export const metrics: readonly Metric[] = [
  { name: 'rmse', task: 'regression', better: 'lower', compute: rmse },
  { name: 'mae', task: 'regression', better: 'lower', compute: mae },
  { name: 'r2', task: 'regression', better: 'higher', compute: r2 },
  { name: 'mape', task: 'regression', better: 'lower', compute: mape },
  { name: 'logLoss', task: 'binary', better: 'lower', compute: logLoss },
  { name: 'rocAuc', task: 'binary', better: 'higher', compute: rocAuc },
  { name: 'averagePrecision', task: 'binary', better: 'higher', compute: averagePrecision },
  { name: 'accuracy', task: 'binary', better: 'higher', compute: accuracy },
  { name: 'brier', task: 'binary', better: 'lower', compute: brier },
];

/** The metric of gates that name none: rmse for a number, log loss for yes and no. */
export function defaultMetric(task: Task): Metric | undefined {
  return metrics.find((metric) => metric.task === task);
}

/** The metric of that name, written `rocAuc` or `roc_auc`. */
export function findMetric(name: string): Metric | undefined {
  const plain = (text: string): string => text.replaceAll('_', '').toLowerCase();
  return metrics.find((metric) => plain(metric.name) === plain(name));
}
