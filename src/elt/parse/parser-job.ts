/** One raw object to be parsed, as it is handed to the parser's process. */
export interface ParserJob {
  readonly name: string;
  readonly path: string;
  /** The inventory's columns: key and value, each as JSON text. */
  readonly columns: readonly (readonly [key: string, value: string])[];
}

/** What became of it: its rows are in the file, or one line stands for it because the parser threw. */
export type ParserOutcome = { readonly rows: number } | { readonly refused: string };
