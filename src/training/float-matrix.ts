/** Feature values as training and serving see them: float32, one array a column, NaN = missing. */
export interface FloatMatrix {
  readonly rows: number;
  readonly columns: readonly Float32Array[];
}
