import type { Task } from '../../model/training-set.js';
import { Pace } from '../../table/pace.js';
import { metrics } from './metric-list.js';

/** Every metric of the task that these rows allow; one that is undefined on them (a single class, a truth of 0) is left out. */
export async function evaluateMetrics(
  task: Task,
  y: Float64Array,
  predictions: Float64Array,
  pace = new Pace(),
): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const metric of metrics) {
    if (metric.task !== task) continue;
    const value = await metric.compute(y, predictions, pace);
    await pace.after(2 * y.length);
    if (Number.isFinite(value)) values[metric.name] = value;
  }
  return values;
}
