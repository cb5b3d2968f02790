/** Columns of equal length held in memory. Missing: NaN in `number` and `time`, null in `text`. */
export type Column =
  | { readonly kind: 'number'; readonly values: Float64Array }
  | { readonly kind: 'text'; readonly values: readonly (string | null)[] }
  /** Milliseconds since 1970-01-01 UTC. */
  | { readonly kind: 'time'; readonly values: Float64Array };

/** A Map, not an object: column names come from users and may be `__proto__`. */
export interface ColumnTable {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, Column>;
}
