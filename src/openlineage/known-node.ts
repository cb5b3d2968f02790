/** A table, file, training set or model of the project's code, with what is known of its columns. */
export interface KnownNode {
  /** As the lineage names it: `source rides`, `transform demand`. */
  readonly id: string;
  readonly kind: 'object' | 'source' | 'seed' | 'transform' | 'feature view' | 'labels' | 'training set' | 'model';
  /** The step that makes it; absent for what is made elsewhere, and for a SELECT that makes no table. */
  readonly step?: string;
  /** Of a table, in the project's database. */
  readonly table?: { readonly schema: string; readonly name: string };
  /** Of a raw object that is a file or has an address. */
  readonly path?: string;
  readonly sql?: string;
  readonly from: readonly string[];
  readonly columns?: readonly {
    readonly name: string;
    readonly type?: string;
    readonly from: readonly { readonly node: string; readonly column: string }[];
  }[];
  /** Columns that decide which rows there are. */
  readonly rows?: readonly { readonly node: string; readonly column: string }[];
}

/** Feature views and labels make no table: whoever reads one reads what it reads. */
export function isQuery({ kind }: Pick<KnownNode, 'kind'>): boolean {
  return kind === 'feature view' || kind === 'labels';
}
