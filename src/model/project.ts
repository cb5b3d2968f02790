/**
 * A project with every default filled in: what `project/` makes of plumbline.yaml and the SQL files, and what the
 * stages work from. Plain JSON. Paths are relative to the project's root, with forward slashes.
 */

export type WriteDisposition = 'append' | 'replace' | 'merge';
export type ColumnType =
  | 'boolean'
  | 'bigint'
  | 'double precision'
  | `numeric(${number},${number})`
  | 'numeric'
  | 'text'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'time'
  | 'jsonb'
  | 'uuid'
  | 'bytea';

export interface Project {
  readonly name: string;
  readonly env: string;
  readonly schemas: Schemas;
  /** What `{{ var('name') }}` gives in SQL files. */
  readonly vars: Readonly<Record<string, VarValue>>;
  readonly macros: readonly MacroFile[];
  readonly resources: readonly ResourceConfig[];
  readonly transforms: readonly TransformFile[];
  readonly features: readonly FeatureViewFile[];
  readonly train?: TrainConfig;
  readonly deploy: DeployConfig;
  /** Every default that was applied, for `plan`: `sources.rides.type = files (from the path's ending)`. */
  readonly defaults: readonly string[];
}

/** `<project>_<env>_raw`, `<project>_<env>`, `<project>_<env>_stage`; each at most 63 bytes. */
export interface Schemas {
  readonly raw: string;
  readonly main: string;
  readonly stage: string;
}

export interface ResourceConfig {
  /** `<source>.<resource>`, e.g. `rides.hours`; a source without `resources` has one of its own name: `rides.rides` shown as `rides`. */
  readonly id: string;
  readonly source: string;
  /** Table in the raw schema. */
  readonly table: string;
  readonly type: 'files' | 'http';
  /** Of files: path or glob, relative to the project's root or absolute, or a URL. Of http: the path behind the source's URL. */
  readonly path: string;
  readonly format: 'csv' | 'ndjson' | 'parquet' | 'auto';
  /** Lets a URL lead to loopback and private addresses. @default false */
  readonly allowPrivate?: boolean;
  /** Name or glob inside zip archives. */
  readonly member?: string;
  /** How the text is encoded. Absent: UTF-8, or what a byte order mark says. */
  readonly encoding?: TextEncoding;
  /** How CSV files are written, as far as it is said; the rest is found out. */
  readonly csv?: CsvOptions;
  readonly write: WriteDisposition;
  readonly primaryKey: readonly string[];
  /** Declared types; the rest is inferred. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Share of rejected rows (0..1) above which the load fails. @default 0.01 */
  readonly maxRejectedShare: number;
  /** The objects to fetch, as a SELECT names them; `path` is then the SELECT's file. */
  readonly inventory?: InventoryConfig;
  /** The user's code that makes rows of a raw object. */
  readonly parse?: ParserConfig;
  /** How an API is asked; there when, and only when, `type` is `http`. */
  readonly http?: HttpRequestConfig;
  /** There when a source is asked only for what is new. */
  readonly cursor?: CursorConfig;
  /** Whether a source without rows may empty a table of `write: replace`. @default false */
  readonly allowEmpty?: boolean;
  /** A file of seeds/: part of the code, read from the bundle. */
  readonly isSeed?: true;
  readonly at: { readonly file: string; readonly line: number };
}

/** Which objects a resource should have, and how they are asked for. Header values may be `env:NAME` or `file:path`. */
export interface InventoryConfig {
  /** One SELECT over raw tables: a row an object, its address in `url`; the other columns are added to each row of the object. */
  readonly query: SqlFile;
  readonly headers: Readonly<Record<string, string>>;
  /** Least time between two requests of the source, over all workers. */
  readonly intervalMs: number;
  /** Share of objects (0..1) that the server may not have. */
  readonly maxMissingShare: number;
}

/** A module of the project, run in a process of its own. */
export interface ParserConfig {
  readonly file: string;
  /** SHA-256 over the module and the project's files that it imports: another one makes the loads anew. */
  readonly digest: string;
}

/** A field that grows with every change of a row. */
export interface CursorConfig {
  readonly field: string;
  /** What its values are. Timestamps are ordered to the nanosecond, whole numbers whatever their size. */
  readonly type: 'timestamp' | 'integer';
  /** Where the first load starts; everything without it. */
  readonly initial?: string;
  /** How far before its state is asked again: milliseconds of a timestamp, or a whole number. */
  readonly lag: number;
}

/** How the pages of one resource are asked for. Values may be secrets by reference: `env:NAME` or `file:path`. */
export interface HttpRequestConfig {
  /** What `path` is behind, without a slash at its end. */
  readonly url: string;
  readonly auth?: HttpAuth;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  /** The parameter that says from which cursor on. */
  readonly cursorParam?: string;
  /** Keys that lead to the list of records; empty when the answer is the list. */
  readonly records: readonly string[];
  readonly pagination: HttpPagination;
  /** Least time between two requests of the source, over all workers. */
  readonly intervalMs: number;
  readonly allowPrivate: boolean;
}

export type HttpAuth =
  | { readonly type: 'bearer'; readonly token: string }
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | { readonly type: 'header'; readonly name: string; readonly value: string }
  | {
      readonly type: 'oauth2';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope?: string;
    };

export type HttpPagination =
  | { readonly type: 'none' }
  | { readonly type: 'page' | 'offset'; readonly param: string; readonly start: number }
  | { readonly type: 'cursor'; readonly param: string; readonly token: readonly string[] }
  | { readonly type: 'link' }
  | { readonly type: 'next_url'; readonly url: readonly string[] };

export type TextEncoding = 'utf-8' | 'utf-16' | 'latin-1' | 'windows-1252';

/** Single characters are ASCII. */
export interface CsvOptions {
  readonly delimiter?: string;
  /** Empty when values are never quoted. */
  readonly quote?: string;
  /** What stands before a quotation mark inside a quoted value. @default the mark itself */
  readonly escape?: string;
  /** False: the first line is a row; names: the file has no header and these are its columns. @default true */
  readonly header?: boolean | readonly string[];
  /** Unquoted values that are NULL beside the empty one. */
  readonly nullValues?: readonly string[];
  /** A line that begins with it is no row. */
  readonly comment?: string;
  /** Lines before the header. @default 0 */
  readonly skipLines?: number;
}

export interface SqlFile {
  /** File name without `.sql`; also the table or view name. */
  readonly name: string;
  readonly file: string;
  /** The SELECT with its `{{ ref(...) }}` calls, header lines kept so that line numbers are the user's own. */
  readonly sql: string;
}

export type VarValue = string | number | boolean | readonly (string | number | boolean)[];

/** A file of nunjucks macros, which every SQL file may call by name. */
export interface MacroFile {
  readonly file: string;
  readonly sql: string;
}

export interface TransformFile extends SqlFile {
  readonly materialized: 'view' | 'table' | 'incremental';
  /** How what the SELECT gives is put into the table that is there; only for `incremental`. */
  readonly incremental?: IncrementalConfig;
  readonly tests: readonly DataTest[];
}

export interface IncrementalConfig {
  /** `merge` updates and adds rows by key; `delete+insert` removes the rows of the keys or of the interval first. */
  readonly strategy: 'merge' | 'delete+insert';
  /** Empty when `intervalColumn` is there. */
  readonly uniqueKey: readonly string[];
  /** Rows from the smallest to the largest value that the SELECT gives are replaced. */
  readonly intervalColumn?: string;
  readonly onSchemaChange: 'fail' | 'append_new_columns';
}

export type DataTest = {
  readonly at: { readonly file: string; readonly line: number };
  /** A failure is counted and shown, and the table published all the same. @default 'error' */
  readonly severity?: 'warn' | 'error';
} & (
  | { readonly kind: 'not_null'; readonly columns: readonly string[] }
  | { readonly kind: 'unique'; readonly columns: readonly string[] }
  | {
      readonly kind: 'accepted_values';
      readonly column: string;
      readonly values: readonly (string | number | boolean)[];
    }
  | { readonly kind: 'relationships'; readonly column: string; readonly to: string; readonly field: string }
  | { readonly kind: 'row_count'; readonly min?: number; readonly max?: number }
  | {
      readonly kind: 'accepted_range';
      readonly column: string;
      readonly min?: string | number;
      readonly max?: string | number;
    }
  /** A condition that is false for no row. */
  | { readonly kind: 'expression_is_true'; readonly expression: string }
  /** Fails when the query gives rows; `{{ this }}` is the table under test. */
  | { readonly kind: 'sql'; readonly name: string; readonly sql: string }
);

export interface FeatureViewFile extends SqlFile {
  readonly entity: readonly string[];
  readonly eventTime: string;
  readonly knownAt?: string;
  /** Why `known = event time` is accepted over a table that is rewritten. */
  readonly knownAtAssumed?: string;
  /** Something taken for granted about the view, printed on `plan` and on the model card. */
  readonly assumption?: string;
  /** Column → why it is no leak, whatever the leak check would find. */
  readonly leakAccepted?: Readonly<Record<string, string>>;
  readonly ttlMs?: number;
}

export interface TrainConfig {
  readonly labels: LabelsFile;
  readonly features: readonly string[];
  readonly split: { readonly by: 'time'; readonly testFrom: string };
  readonly trainer: TrainerConfig;
  /** Other feature lists, trained and shown beside the model, never deployed. */
  readonly variants: readonly { readonly name: string; readonly features: readonly string[] }[];
  readonly baselines: readonly BaselineConfig[];
  readonly gates: readonly GateConfig[];
  readonly seed: number;
}

export interface LabelsFile extends SqlFile {
  readonly entity: readonly string[];
  readonly labelTime: string;
  readonly target: string;
  /** How long before `labelTime` a prediction is made: features must be known at `labelTime − horizonMs`. */
  readonly horizonMs: number;
}

export interface TrainerConfig {
  readonly type: 'linear' | 'logistic' | 'gradient_boosting';
  /** scikit-learn's and LightGBM's names in camelCase, e.g. `maxLeaves`, `learningRate`. */
  readonly parameters: Readonly<Record<string, number>>;
}

export type BaselineConfig =
  | { readonly type: 'mean' | 'majority' }
  /** The target one period earlier at the same entity-free label time. */
  | { readonly type: 'seasonal_naive'; readonly periodMs: number };

export interface GateConfig {
  /** Name of a metric, or `default`: rmse for a regression, log loss for a binary target. */
  readonly metric: string;
  readonly betterThan: 'baseline' | 'champion';
  /** Relative improvement asked for, 0..1. */
  readonly by: number;
}

export interface DeployConfig {
  readonly model: string;
  readonly approval: 'none' | 'manual';
  /** How long a manual approval waits before the deployment ends as `timed_out`; that is no rejection. */
  readonly approvalTimeoutMs: number;
}
