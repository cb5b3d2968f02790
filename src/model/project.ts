import type { DataInterval } from './data-interval.js';
import type { IntervalLength } from './interval-grid.js';

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
  readonly freshness: readonly FreshnessConfig[];
  readonly transforms: readonly TransformFile[];
  readonly features: readonly FeatureViewFile[];
  readonly unitTests: readonly UnitTest[];
  readonly train?: TrainConfig;
  readonly deploy: DeployConfig;
  readonly schedules: readonly ScheduleConfig[];
  readonly alerts?: AlertsConfig;
  readonly retention: RetentionConfig;
  readonly personal: readonly PersonalKey[];
  /** Whose days cron lines and intervals mean. */
  readonly timezone: string;
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
  readonly type: 'files' | 'http' | 'postgres' | 'python' | 'plugin' | 'singer';
  /**
   * Of files: path or glob, relative to the project's root or absolute, a URL, or a path or glob of s3://. Of http: the path behind
   * the source's URL. Of postgres: `schema.table`, or `query` with the first digits of its SHA-256. Of python and plugin: the file.
   * Of singer: the stream.
   */
  readonly path: string;
  readonly format: 'csv' | 'json' | 'ndjson' | 'parquet' | 'singer' | 'xlsx' | 'auto';
  /** Keys that lead to the records of a JSON document. Absent: the document is the list, or the one record. */
  readonly records?: readonly string[];
  /** How a bucket is reached; only where `path` is one of s3://. */
  readonly s3?: S3Config;
  /** Lets a URL or an endpoint lead to loopback and private addresses. @default false */
  readonly allowPrivate?: boolean;
  /** Name or glob inside zip archives. */
  readonly member?: string;
  /** How the text is encoded. Absent: UTF-8, or what a byte order mark says. */
  readonly encoding?: TextEncoding;
  /** How CSV files are written, as far as it is said; the rest is found out. */
  readonly csv?: CsvOptions;
  /** What is read of Excel workbooks. */
  readonly xlsx?: XlsxOptions;
  readonly write: WriteDisposition;
  readonly primaryKey: readonly string[];
  /** How rows are merged, where that is not by `upsert` alone. */
  readonly merge?: MergeConfig;
  /** Declared types; the rest is inferred. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** What a load may change of its table, as far as it is said. */
  readonly contract?: SchemaContract;
  /** What happens when a table of `replace`, or what comes in for `append` and `merge`, is far from its own history. */
  readonly anomaly?: AnomalyConfig;
  /** Share of rejected rows (0..1) above which the load fails. @default 0.01 */
  readonly maxRejectedShare: number;
  /** How a `path` that is a URL is asked for, as far as it is said. */
  readonly requests?: RequestsConfig;
  /** The objects to fetch, as a SELECT names them; `path` is then the SELECT's file. */
  readonly inventory?: InventoryConfig;
  /** The user's code that makes rows of a raw object. */
  readonly parse?: ParserConfig;
  /** How an API is asked; there when, and only when, `type` is `http`. */
  readonly http?: HttpRequestConfig;
  /** What is read from a database; there when, and only when, `type` is `postgres`. */
  readonly postgres?: PostgresReadConfig;
  /** How a Singer tap is run; there when, and only when, `type` is `singer`. */
  readonly singer?: SingerConfig;
  /** The program that gives the rows; there when, and only when, `type` is `python` or `plugin`. */
  readonly program?: ProgramConfig;
  /** There when a source is asked only for what is new. */
  readonly cursor?: CursorConfig;
  /** A load is about the run's interval: always of files with it, of an API with `http.byInterval`. */
  readonly interval?: IntervalConfig;
  /** Columns of nested values whose elements are rows of tables of their own. */
  readonly children?: readonly ChildConfig[];
  /** Whether a source without rows may empty a table that is not. @default false */
  readonly allowEmpty?: boolean;
  /** A file of seeds/: part of the code, read from the bundle. */
  readonly isSeed?: true;
  /** Columns that say whose a row is: rows of a forgotten key are taken out of every load. */
  readonly personal?: readonly PersonalColumn[];
  readonly at: { readonly file: string; readonly line: number };
}

/** A column whose elements become rows of a child table, which points back at the row that has them. */
export interface ChildConfig {
  /** The parent's column: a list, one object, or a value, which counts as a list of one. */
  readonly field: string;
  /** Table in the raw schema. */
  readonly table: string;
  /** Declared types of the child's columns; the rest is inferred. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** The parent keeps the column too. */
  readonly keepsColumn?: true;
  readonly children?: readonly ChildConfig[];
}

/** How old the newest row of a resource may be. It says nothing of how the resource is loaded, so it stands apart. */
export interface FreshnessConfig {
  readonly resource: string;
  /** In the raw schema. */
  readonly table: string;
  /** Column that says how new a row is. */
  readonly loadedAt: string;
  readonly warnAfterMs?: number;
  readonly errorAfterMs?: number;
  readonly at: { readonly file: string; readonly line: number };
}

export interface IntervalConfig {
  /** Column that says to which interval a row belongs. Absent: all of what is loaded does. */
  readonly column?: string;
  /** What becomes of a row of another interval: the load fails, or it is left out and counted. */
  readonly outside: 'fail' | 'ignore';
}

export interface AnomalyConfig {
  readonly mode: 'off' | 'warn' | 'fail';
  /** How far from the median is usual, in robust standard deviations. @default 4 */
  readonly deviations?: number;
  /** Most publications to compare with. @default 20 */
  readonly history?: number;
  /** Fewest. @default 5 */
  readonly minHistory?: number;
}

export interface MergeConfig {
  /**
   * `upsert`: one row a key; `delete-insert`: the rows of a merge key are replaced by the ones that come; `scd2`: a row for each state
   * that a key was in.
   */
  readonly strategy: 'upsert' | 'delete-insert' | 'scd2';
  /** Of `delete-insert`. @default the primary key */
  readonly key?: readonly string[];
  /** Column that says that a row is deleted at the source: true, or any value where it is no boolean. */
  readonly hardDelete?: string;
  /** Of `scd2`: a load has all rows of the source, and closes those that are not in it. */
  readonly closesGone?: boolean;
}

/** `evolve` lets a change through, `freeze` fails on it, the others leave out what would be one. */
export type ContractMode = 'evolve' | 'freeze' | 'discard_row' | 'discard_value';

export interface SchemaContract {
  readonly tables?: 'evolve' | 'freeze';
  readonly columns?: ContractMode;
  readonly types?: ContractMode;
}

/** Absent: as the worker's environment says, Amazon in the end. */
export interface S3Config {
  /** http: or https: URL of another server than Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
  readonly profile?: string;
  /** Requests are not signed, as public buckets take them. */
  readonly isAnonymous?: boolean;
  /** Each a reference: `env:NAME` or `file:path`. */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/** Which objects a resource should have, and how they are asked for. Header values may be `env:NAME` or `file:path`. */
/** How addresses are asked for. */
export interface RequestsConfig {
  readonly headers: Readonly<Record<string, string>>;
  /** Least time between two requests of the source, over all workers; 0 for none. */
  readonly intervalMs: number;
}

export interface InventoryConfig extends RequestsConfig {
  /** One SELECT over raw tables: a row an object, its address in `url`; the other columns are added to each row of the object. */
  readonly query: SqlFile;
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
  /** It follows the transactions of a PostgreSQL source in place of a field, which is then called xmin. */
  readonly byTransaction?: true;
}

/** A table or view, or a query: one of the two. */
export interface PostgresReadConfig {
  /** Where the URL of the database is: `env:NAME` or `file:path`. */
  readonly connection: string;
  /** Where `table` is, and the search path of `query`. */
  readonly schema: string;
  readonly table?: string;
  /** One SELECT, without a semicolon at its end. */
  readonly query?: string;
  /** Connections that read at the same time, under one snapshot. @default 4 for a table by place, else 1 */
  readonly parallel?: number;
  /** Rows that are gone from the source go from the table: its keys are compared with those of the source. */
  readonly reconciles?: true;
}

/** How a Singer tap is run for one stream. Texts of `config` and `env` may be secrets by reference: `env:NAME` or `file:path`. */
export interface SingerConfig {
  /** Executable and arguments; one with a slash in its name is relative to the project's root. */
  readonly command: readonly string[];
  /** What the tap gets as its configuration. */
  readonly config: JsonObject;
  /** Variables of its environment, beside a few of the worker's own such as PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** How the catalog is got: from the tap, from a file of the project, or none for a tap that takes none. */
  readonly catalog: { readonly from: 'tap' | 'none' } | { readonly from: 'file'; readonly path: string };
  /** Metadata of the stream in its catalog, such as `replication-method`. */
  readonly metadata: JsonObject;
  /** Patterns of the properties to ask for and to keep; undefined for all. */
  readonly select?: readonly string[];
  /** Whether `write` is the tap's to say: merge where the stream has a key, else append. */
  readonly writeByKey: boolean;
}

/** How the pages of one resource are asked for. Values, also those inside of `body`, may be secrets by reference: `env:NAME` or `file:path`. */
export interface HttpRequestConfig {
  /** What `path` is behind, without a slash at its end. */
  readonly url: string;
  readonly auth?: HttpAuth;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  /** Sent as JSON by POST. Absent: a page is asked for by GET. */
  readonly body?: JsonObject;
  /** The parameter that says from which cursor on, or the keys of that value in the body. */
  readonly cursorParam?: string | readonly string[];
  /** Keys that lead to the list of records; empty when the answer is the list. */
  readonly records: readonly string[];
  /** Keys that lead to what went wrong, in an answer that says so with status 200. */
  readonly errors?: readonly string[];
  readonly pagination: HttpPagination;
  /** Whether `path`, `params` or `body` name the run's interval, so that each interval is asked for by itself. */
  readonly byInterval?: true;
  /** Asks once for each row of another table; `{row.column}` in `path`, `params` and `body` is a value of the row. */
  readonly forEach?: HttpForEach;
  /** Least time between two requests of the source, over all workers. */
  readonly intervalMs: number;
  readonly allowPrivate: boolean;
}

/** The rows that an API is asked for one by one. */
export interface HttpForEach {
  /** One SELECT over raw tables; rows that are alike are asked for once. */
  readonly query: SqlFile;
  /** Columns that are added to each record: name → column of the row. */
  readonly columns: Readonly<Record<string, string>>;
  /** What becomes of a row for which the server answers 404 or 410. */
  readonly missing: 'fail' | 'ignore';
  /** Rows that are asked for at the same time. */
  readonly parallel: number;
}

/** A source that is code of the project. Texts may be secrets by reference: `env:NAME` or `file:path`. */
export interface ProgramConfig {
  /** The function that gives the rows of the resource. */
  readonly function: string;
  /** Python's interpreter: a name to look for, or a path from where the run was started. */
  readonly python?: string;
  /** What the program sees of the environment beside the usual few. */
  readonly env: Readonly<Record<string, string>>;
  /** What its code is given as its configuration. */
  readonly config: JsonObject;
}

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
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
      /** Id and secret stand in the body instead of a header. */
      readonly inBody?: true;
      readonly scope?: string;
      /** Further fields of the request for a token; a value may be a secret's place. */
      readonly params?: Readonly<Record<string, string>>;
    };

/** `param` is the name of a parameter of the URL, or the keys of a value in the body. */
export type HttpPagination =
  | { readonly type: 'none' }
  | { readonly type: 'page' | 'offset'; readonly param: string | readonly string[]; readonly start: number }
  | {
      readonly type: 'cursor';
      readonly param: string | readonly string[];
      readonly token: readonly string[];
      /** Keys of what is false, or not there, on the last page. */
      readonly hasMore?: readonly string[];
    }
  | { readonly type: 'link' }
  | { readonly type: 'next_url'; readonly url: readonly string[] };

export type TextEncoding = 'utf-8' | 'utf-16' | 'latin-1' | 'windows-1252';

export interface XlsxOptions {
  /** @default the first that is visible */
  readonly sheet?: string;
  /** `B3:F100`, `B:F` or `3:100`. */
  readonly range?: string;
  /** Of the sheet, from 1. @default the first that holds something */
  readonly headerRow?: number;
}

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
  /** Before the decimals of a number. @default '.' */
  readonly decimal?: string;
  /** Between the thousands of a number; a blank stands for those that do not break too. */
  readonly thousands?: string;
  /** The order of `DD`, `MM` or `MON`, and `YYYY` in dates, with what is between them: `DD.MM.YYYY`. */
  readonly dateFormat?: string;
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
  readonly materialized: 'view' | 'table' | 'incremental' | 'snapshot' | 'ephemeral';
  /** How what the SELECT gives is put into the table that is there; only for `incremental`. */
  readonly incremental?: IncrementalConfig;
  /** How a change of a row is recognised; only for `snapshot`. */
  readonly snapshot?: SnapshotConfig;
  readonly tests: readonly DataTest[];
}

export interface IncrementalConfig {
  /** `merge` updates and adds rows by key; `delete+insert` removes the rows of the keys or of the interval first. */
  readonly strategy: 'merge' | 'delete+insert';
  /** Empty when `intervalColumn` is there. */
  readonly uniqueKey: readonly string[];
  /** Rows of the run's interval are replaced; without one, from the smallest to the largest value that the SELECT gives. */
  readonly intervalColumn?: string;
  /** How far before the interval's start the SELECT looks again, e.g. `2d`. */
  readonly lookback?: string;
  readonly onSchemaChange: 'fail' | 'append_new_columns';
}

/** A table that keeps every state of each row (slowly changing dimension of type 2), with dbt's columns. */
export interface SnapshotConfig {
  readonly uniqueKey: readonly string[];
  /** When a row changed last, by the row itself; without it the columns are compared. */
  readonly updatedAt?: string;
  readonly checkColumns: readonly string[] | 'all';
  /** Whether a row that the SELECT gives no more ends. */
  readonly closesDeleted: boolean;
  /** With `closesDeleted`: a state that says so begins where the last one ends. */
  readonly recordsDeleted?: true;
  /** Whether a SELECT without rows may end all of them. */
  readonly allowEmpty: boolean;
}

export type DataTest = {
  readonly at: { readonly file: string; readonly line: number };
  /** A failure is counted and shown, and the table published all the same. @default 'error' */
  readonly severity?: 'warn' | 'error';
  /** A condition in SQL: only rows for which it is true are tested. Of no test of kind `sql`. */
  readonly where?: string;
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

/** A SELECT run on given rows instead of on what is published. */
export interface UnitTest {
  readonly name: string;
  /** Transform, feature view or labels. */
  readonly model: string;
  readonly at: { readonly file: string; readonly line: number };
  /** `input` as in SQL: `ref('x')`, `source('s', 'r')` or `this`. */
  readonly given: readonly (Fixture & { readonly input: string })[];
  readonly expect: Fixture;
  readonly isIncremental: boolean;
  /** What the run is about. */
  readonly interval?: DataInterval;
  /** Vars that have another value in the test. */
  readonly vars: Readonly<Record<string, VarValue>>;
}

export interface Fixture {
  readonly rows: FixtureRows;
  readonly at: { readonly file: string; readonly line: number };
}

export type FixtureRows =
  | { readonly format: 'dict'; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  /** The first line names the columns; an empty value without quotes is NULL. */
  | { readonly format: 'csv'; readonly csv: string }
  | { readonly format: 'sql'; readonly sql: string };

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

/** Stages in the words of `plumbline run`. `load` builds too, `train` makes features too, `deploy` trains too. */
export const STAGE_NAMES = ['load', 'transform', 'features', 'train', 'deploy'] as const;
export type StageName = (typeof STAGE_NAMES)[number];

/** What a start does while the one before still runs: it is left out, waits, or all that come wait. */
export const OVERLAPS = ['skip', 'buffer_one', 'buffer_all'] as const;

/** When a run starts by itself, of what and about which time. */
export interface ScheduleConfig {
  readonly name: string;
  /** Five fields; either this or `everyMs` is there. */
  readonly cron?: string;
  readonly everyMs?: number;
  readonly timezone: string;
  /** Empty for the one that collects garbage. */
  readonly stages: readonly StageName[];
  /** With stages load or transform alone: the sources, or the transforms, that it runs; absent: all. */
  readonly select?: readonly string[];
  /** Left out of them. */
  readonly exclude?: readonly string[];
  /** There when it runs no stages but collects garbage. */
  readonly retention?: RetentionConfig;
  /** There when each interval that is over and not done gets a run. */
  readonly interval?: IntervalLength;
  /** The first day whose intervals it runs; absent: the interval in which it was applied first. */
  readonly start?: string;
  readonly jitterMs: number;
  readonly overlap: (typeof OVERLAPS)[number];
  /** How late a start that Temporal missed may be made up for. */
  readonly catchupMs: number;
  readonly pauseOnFailure: boolean;
}

export interface PersonalColumn {
  /** Name of the key, e.g. `customer_id`. */
  readonly key: string;
  readonly column: string;
}

/** Where the rows of a person are. */
export interface PersonalKey {
  readonly key: string;
  readonly sources: readonly { readonly resource: string; readonly column: string }[];
  /** Tables made by sql/ and snapshots/. */
  readonly tables: readonly { readonly name: string; readonly column: string }[];
  /** Input of predictions that holds it. */
  readonly predictions: string;
}

/** How long records are kept, in milliseconds; what has no limit is kept for good. */
export interface RetentionConfig {
  /** Raw objects that no load has in a table any more. */
  readonly rawMs?: number;
  /** Records of runs, outcomes of steps, and code. */
  readonly runsMs?: number;
  readonly rejectsMs?: number;
  readonly predictionsMs?: number;
  /** How long an object that nothing refers to is left alone after its last use. */
  readonly graceMs: number;
}

export const ALERT_KINDS = ['failed', 'missed'] as const;

/** Who is told when something goes wrong. */
export interface AlertsConfig {
  /** Where the address is: `env:NAME` or `file:path`. */
  readonly webhook?: string;
  /** Where the key of the signature is; without it messages are not signed. */
  readonly secret?: string;
  readonly email?: EmailConfig;
  readonly on: readonly (typeof ALERT_KINDS)[number][];
}

export interface EmailConfig {
  /** Where the address of the mail server is, with user and password: `env:NAME` or `file:path`. */
  readonly smtp: string;
  readonly from: string;
  /** Each gets a message of its own. */
  readonly to: readonly string[];
}

export interface DeployConfig {
  readonly model: string;
  readonly approval: 'none' | 'manual';
  /** How long a manual approval waits before the deployment ends as `timed_out`; that is no rejection. */
  readonly approvalTimeoutMs: number;
}
