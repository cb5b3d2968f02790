import { CATEGORIES_RANGE } from '../../model/parameter-ranges.js';
import { Pace } from '../../table/pace.js';

/** Range and default of the trainers' parameter `maxCategories`; 255 is scikit-learn's limit for boosting. */
export const CATEGORY_LIMIT = { default: 255, ...CATEGORIES_RANGE } as const;

/**
 * The categories of a text column, in code unit order. Of more than `maxCategories` the most frequent stay (ties: first in
 * order); the others are then unknown to the model, like values it never saw. Missing values are no category.
 */
export async function fitCategories(
  values: readonly (string | null)[],
  maxCategories: number,
  pace = new Pace(),
): Promise<string[]> {
  const counts = new Map<string, number>();
  const count = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      const value = values[row] ?? null;
      if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  };
  await pace.overRows(values.length, count, 4);
  const inOrder = [...counts.keys()].sort();
  if (inOrder.length <= maxCategories) return inOrder;
  return inOrder
    .sort((a, b) => counts.get(b)! - counts.get(a)!)
    .slice(0, maxCategories)
    .sort();
}
