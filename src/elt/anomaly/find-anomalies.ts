import { plural } from '../../model/plural.js';

/** What a table holds, as its publications are compared. */
export interface Profile {
  readonly rows: number;
  /** Share of NULLs (0..1) by column. */
  readonly nulls: Readonly<Record<string, number>>;
}

export interface AnomalyRule {
  /** How many robust standard deviations from the median are usual. @default 4 */
  readonly deviations?: number;
  /** Fewest publications to compare with; nothing is an anomaly before. @default 5 */
  readonly minHistory?: number;
  /** What the history is of, for messages. @default 'publications' */
  readonly counted?: string;
}

/**
 * What of a profile is far from its own history, one sentence each. Usual is median ± deviations × s, where s is
 * 1.4826 × the median absolute deviation, which estimates the standard deviation of normal values and does not mind single outliers
 * (Hampel identifier). s is at least 10 % of the median and its square root for rows, and 1 percentage point for NULLs, so that a history without any
 * change does not make an anomaly of the first one.
 *
 * @param history any order; columns that fewer than `minHistory` of them have are not judged
 */
export function findAnomalies(
  { rows, nulls }: Profile,
  history: readonly Profile[],
  { deviations = 4, minHistory = 5, counted = 'publications' }: AnomalyRule = {},
): string[] {
  const anomalies: string[] = [];
  const judge = (value: number, before: readonly number[], floor: (median: number) => number): Range | undefined => {
    if (before.length < minHistory) return undefined;
    const middle = median(before);
    const spread = 1.4826 * median(before.map((one) => Math.abs(one - middle)));
    const width = deviations * Math.max(spread, floor(middle));
    return Math.abs(value - middle) > width
      ? { middle, from: Math.max(0, middle - width), to: middle + width }
      : undefined;
  };
  const usualRows = judge(
    rows,
    history.map((one) => one.rows),
    (middle) => Math.max(0.1 * middle, Math.sqrt(middle)),
  );
  if (usualRows !== undefined) {
    const { from, to, middle } = usualRows;
    anomalies.push(
      `${count(rows)} ${plural(rows, 'row')}, expected ${count(Math.ceil(from))} to ${count(Math.floor(to))} (median ${count(middle)} of ${history.length} ${counted})`,
    );
  }
  for (const [column, share] of Object.entries(nulls)) {
    const usual = judge(
      share,
      history.flatMap((one) => one.nulls[column] ?? []),
      () => 0.01,
    );
    if (usual === undefined) continue;
    const { from, to, middle } = usual;
    anomalies.push(
      `column ${column} is NULL in ${percent(share)} of the rows, expected ${percent(from)} to ${percent(Math.min(to, 1))} (median ${percent(middle)})`,
    );
  }
  return anomalies;
}

interface Range {
  readonly middle: number;
  readonly from: number;
  readonly to: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function percent(share: number): string {
  return `${(100 * share).toLocaleString('en-US', { maximumFractionDigits: 1 })} %`;
}
