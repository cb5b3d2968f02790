import type { Json, JsonObject } from './project.js';

/**
 * What a column can hold. A `bigint` keeps every digit; a `Date` is a time with a zone, a `Uint8Array` is bytes; of an
 * object or a list, JSON is kept. A missing key, `undefined` and `null` are NULL.
 */
export type CellValue =
  null | undefined | boolean | number | bigint | string | Date | Uint8Array | readonly unknown[] | object;

export type SourceRow = Readonly<Record<string, CellValue>>;

export interface SourceContext<Config = JsonObject, State = Json> {
  /** The resource that is asked for. */
  readonly resource: string;
  /** `config` of the source in plumbline.yaml; `env:NAME` and `file:path` are the secrets they name. */
  readonly config: Config;
  /** The last checkpoint; undefined before the first load and when all is asked for. */
  readonly state: State | undefined;
  /**
   * Says where to go on from, after all rows that it stands for were yielded: JSON of at most 64 KiB. The next load goes
   * on there, and so does a load that was killed.
   */
  readonly checkpoint: (state: State) => void;
  /** Aborts when the load is cancelled; the process ends soon after. */
  readonly signal: AbortSignal;
}

/** Yields rows, one by one or many at once. It waits in `yield` when the worker is busy. */
export type SourceResource<Config = JsonObject, State = Json> = (
  context: SourceContext<Config, State>,
) => AsyncIterable<SourceRow | readonly SourceRow[]> | Iterable<SourceRow | readonly SourceRow[]>;

export type Source<Config = JsonObject, State = Json> = Readonly<Record<string, SourceResource<Config, State>>>;

/**
 * A source of the project's own: by the name of a resource, the generator of its rows. The default export of a module
 * that plumbline.yaml names with `type: plugin`.
 *
 * @example
 * export default defineSource<{ token: string }, string>({
 *   async *issues({ state, config, checkpoint }) {
 *     for await (const page of fetchIssues({ since: state, token: config.token })) {
 *       yield page;
 *       checkpoint(page.at(-1).updated_at);
 *     }
 *   },
 * });
 */
export function defineSource<Config = JsonObject, State = Json>(
  resources: Source<Config, State>,
): Source<Config, State> {
  return resources;
}

/** Throw it for a fault that passes: the load is tried again and goes on from the last checkpoint. */
export class Retry extends Error {
  override readonly name = 'Retry';
  /** Seconds to wait, such as what a server asks for. */
  readonly after?: number;

  constructor(message: string, options: { readonly after?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (options.after !== undefined) this.after = options.after;
  }
}
