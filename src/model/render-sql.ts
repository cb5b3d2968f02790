import nunjucks from 'nunjucks';
import { closest } from 'fastest-levenshtein';
import { PipelineError, TerminalError } from '../errors.js';
import { INTERVAL_NAMES, intervalValues, shownInterval, type DataInterval } from './data-interval.js';
import { checkTemplate, readTemplateMessage, templateError } from './check-template.js';
import { compileMacros, exportMacros } from './macros.js';
import { ephemeralName, inlineEphemerals, type RenderedFile } from './inline-ephemerals.js';
import type { MacroFile, SqlFile, VarValue } from './project.js';
import { seedId, type ChildName } from './relation-names.js';
import { environment } from './template-environment.js';
import { markLines, unmarkLines } from './template-lines.js';
import { OutOfTime, withTimeLimit } from './with-time-limit.js';

/** What a project's SQL files may name. */
export interface SqlNames {
  /** Transform name → what stands in the SQL, e.g. `"bike_dev"."demand"`. */
  readonly refs: ReadonlyMap<string, string>;
  /** Resource id (`rides.hours`, or `rides` for a source with one resource) → what stands in the SQL. */
  readonly sources: ReadonlyMap<string, string>;
  /** Child tables, `orders.lines`, and the resource that each is loaded with. */
  readonly children?: ReadonlyMap<string, ChildName>;
  /** Transforms that make no table, by name: their SELECTs become part of whatever names them. */
  readonly ephemerals?: ReadonlyMap<string, SqlFile>;
  readonly vars?: Readonly<Record<string, VarValue>>;
  readonly macros?: readonly MacroFile[];
}

export interface SqlContext extends SqlNames {
  /** What `{{ interval.start }}` and the like give; without it they have no value. */
  readonly interval?: DataInterval;
  /** `{{ this }}`: the table under construction or test. */
  readonly self?: string;
  /** What `{{ is_incremental() }}` gives. @default false */
  readonly isIncremental?: boolean;
}

export interface RenderedSql {
  /** Its line numbers are those of the user's file, unless a loop repeats lines or it reads ephemeral transforms. */
  readonly sql: string;
  /** Transforms given to `ref`, each once, sorted; in place of an ephemeral one those that it reads. */
  readonly refs: string[];
  /** Resource ids given to `source`, for a child table that of its resource, and of seeds given to `ref`, each once, sorted. */
  readonly sources: string[];
  /** The same, child tables by their own names. */
  readonly sourceTables: string[];
  /** Line of the user's file (from 1) for each line of `sql`; right in loops too. */
  readonly lines: readonly number[];
  /** What else the SQL depends on: `var tax` → its value as JSON, `macro cents` → the SHA-256 of what it says, `interval`. */
  readonly uses: Readonly<Record<string, string>>;
}

/**
 * Renders `{{ ref('x') }}`, `{{ source('s', 'r') }}`, `{{ var('v', default) }}`, `{{ this }}`, `{{ interval.start }}`,
 * `{% if is_incremental() %}` and calls of the project's macros in an SQL file. Comment lines at the top are settings:
 * they are kept as they are. `interval.start` is undefined when there is no interval.
 *
 * Throws `SQL_UNKNOWN_REF`, `SQL_UNKNOWN_VAR` or `SQL_TEMPLATE` with the user's file and line; a retry gives the same.
 *
 * @example renderSql({ name: 'a', file: 'sql/a.sql', sql: "SELECT * FROM {{ ref('b') }}" },
 *   { refs: new Map([['b', '"main"."b"']]), sources: new Map() }).sql // SELECT * FROM "main"."b"
 */
export function renderSql(file: SqlFile, context: SqlContext): RenderedSql {
  const { ephemerals, ...own } = renderFile(file, context);
  if (ephemerals.length === 0) return own;
  const { self: _self, ...inside } = { ...context, isIncremental: false };
  return inlineEphemerals(file, { ...own, ephemerals }, (name) => {
    const ephemeral = context.ephemerals!.get(name)!;
    return { file: ephemeral, rendered: renderFile(ephemeral, inside) };
  });
}

function renderFile(file: SqlFile, context: SqlContext): RenderedFile {
  const source = file.sql.replaceAll('\r\n', '\n');
  const header = /^(?:[ \t]*(?:--[^\n]*)?\n)*/.exec(source)?.[0] ?? '';
  const headerLines = header.split('\n').length - 1;
  const body = '\n'.repeat(headerLines) + source.slice(header.length);

  const refs = new Set<string>();
  const sources = new Set<string>();
  const sourceTables = new Set<string>();
  const ephemerals = new Set<string>();
  const uses = new Map<string, string>();
  const macros = compileMacros(context.macros ?? []);
  const builtIns: Record<string, unknown> = {
    ref: (...names: unknown[]) => {
      const name = oneName('ref', names, 1)[0]!;
      const seed = context.refs.has(name) ? undefined : context.sources.get(seedId(name));
      if (seed !== undefined) {
        sources.add(seedId(name));
        sourceTables.add(seedId(name));
        return seed;
      }
      if (context.ephemerals?.has(name) === true) {
        ephemerals.add(name);
        return ephemeralName(name);
      }
      refs.add(name);
      return found(context.refs, [name], `ref('${name}')`, 'transform');
    },
    source: (...names: unknown[]) => {
      const [name, resource] = oneName('source', names, 2);
      const key = resourceKey(context.sources, name!, resource);
      const call = `source('${[name, resource].filter((part) => part !== undefined).join("', '")}')`;
      const child = key === undefined ? context.children?.get(`${name}.${resource}`) : undefined;
      if (child !== undefined) {
        sources.add(child.of);
        sourceTables.add(`${name}.${resource}`);
        return child.table;
      }
      if (key !== undefined) {
        sources.add(key);
        sourceTables.add(key);
        return context.sources.get(key)!;
      }
      const known = new Map([...context.sources, ...[...(context.children ?? [])].map(([id, { table }]) => [id, table] as const)]); // prettier-ignore
      return found(known, [[name, resource].join('.')], call, 'source');
    },
    var: (...given: unknown[]) => {
      const [name, fallback] = varArguments(given);
      const value = Object.hasOwn(context.vars ?? {}, name) ? context.vars![name] : fallback;
      if (value === undefined) throw unknownVar(name, Object.keys(context.vars ?? {}));
      uses.set(`var ${name}`, JSON.stringify(value));
      return value;
    },
    is_incremental: () => context.isIncremental ?? false,
    interval: context.interval === undefined ? {} : watched(context.interval, uses),
    ...(context.self === undefined ? {} : { this: context.self }),
  };
  const exported = exportMacros(macros, builtIns, (name, digest) => uses.set(`macro ${name}`, digest));
  const variables = { ...exported, ...builtIns };
  checkTemplate(body, file.file, Object.keys(variables), environment);
  const { text, lines } = unmarkLines(render(markLines(body), variables, file.file));
  return {
    sql: header + text.slice(headerLines),
    refs: [...refs].sort(),
    sources: [...sources].sort(),
    sourceTables: [...sourceTables].sort(),
    lines,
    uses: Object.fromEntries([...uses].sort()),
    ephemerals: [...ephemerals].sort(),
  };
}

// A file takes a few milliseconds; its slips take the worker's only thread, and with it the heartbeats of everything else.
const MOST_MS = 1_000;

function render(template: string, variables: Record<string, unknown>, file: string): string {
  let thrown: unknown;
  const guarded = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      typeof value !== 'function'
        ? value
        : (...values: unknown[]): unknown => {
            try {
              return (value as (...values: unknown[]) => unknown)(...values);
            } catch (error) {
              thrown = error;
              throw error;
            }
          },
    ]),
  );
  try {
    return withTimeLimit(MOST_MS, () => new nunjucks.Template(template, environment, file, true).render(guarded));
  } catch (error) {
    if (error instanceof OutOfTime)
      throw templateError(
        file,
        error.message,
        undefined,
        'Look for a loop in a loop, and for a pattern of `replace` that goes over its text again and again.',
      );
    const { problem, line } = readTemplateMessage((error as Error).message);
    // nunjucks counts from 0 where a call or a look-up threw, from 1 where a value is missing.
    const isCall = thrown !== undefined || /^(Unable to call|a template cannot)/.test(problem);
    const position = line === undefined ? undefined : isCall ? line + 1 : line;
    if (thrown instanceof PipelineError) {
      // A macro's own mistake is at the macro's line.
      const at = thrown.at ?? (position === undefined ? { file } : { file, line: position });
      throw thrown.prefixed(`${file}: `, { at });
    }
    throw templateError(
      file,
      problem.replace('attempted to output null or undefined value', 'a value is null or undefined'),
      position,
    );
  }
}

/** The interval's values; that one was read is noted under `uses`. */
function watched(interval: DataInterval, uses: Map<string, string>): object {
  const values = intervalValues(interval);
  const read = (name: keyof typeof values) => (): string => {
    uses.set('interval', shownInterval(interval));
    return values[name];
  };
  return Object.defineProperties(
    {},
    Object.fromEntries(INTERVAL_NAMES.map((name) => [name, { get: read(name), enumerable: true }])),
  );
}

function oneName(call: string, names: readonly unknown[], most: number): string[] {
  if (names.length < 1 || names.length > most || names.some((name) => typeof name !== 'string')) {
    throw new TerminalError(
      'SQL_TEMPLATE',
      `${call} expects ${most === 1 ? 'one name' : 'one or two names'} in quotes, got ${JSON.stringify(names)}.`,
    );
  }
  return names as string[];
}

function varArguments(given: readonly unknown[]): [string, VarValue | undefined] {
  const [name, fallback] = given;
  const isValue = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);
  const isDefault = given.length < 2 || (Array.isArray(fallback) ? fallback.every(isValue) : isValue(fallback));
  if (typeof name === 'string' && isDefault && given.length < 3) return [name, fallback as VarValue | undefined];
  throw new TerminalError(
    'SQL_TEMPLATE',
    'var expects a name in quotes and perhaps a default (text, number, true, false or a list of them), ' +
      `got ${JSON.stringify(given)}.`,
  );
}

function unknownVar(name: string, known: readonly string[]): TerminalError {
  const nearest = known.length === 0 ? '' : `Nearest name: ${closest(name, known)}. `;
  return new TerminalError('SQL_UNKNOWN_VAR', `var('${name}'): plumbline.yaml has no var of that name.`, {
    details: { name, known },
    next: `${nearest}Correct the name, add it under \`vars\`, or give a default: var('${name}', …).`,
  });
}

/** The id under which a resource is known: `rides`, `rides.rides`, or the only resource of source `rides`. */
function resourceKey(sources: ReadonlyMap<string, string>, name: string, resource?: string): string | undefined {
  const candidates =
    resource !== undefined ? [`${name}.${resource}`, ...(resource === name ? [name] : [])] : [name, `${name}.${name}`];
  const key = candidates.find((candidate) => sources.has(candidate));
  if (key !== undefined || resource !== undefined) return key;
  const own = [...sources.keys()].filter((candidate) => candidate.startsWith(`${name}.`));
  return own.length === 1 ? own[0] : undefined;
}

function found(names: ReadonlyMap<string, string>, keys: readonly string[], call: string, kind: string): string {
  const key = keys.find((candidate) => names.has(candidate));
  if (key !== undefined) return names.get(key)!;
  const known = [...names.keys()];
  const nearest = known.length === 0 ? undefined : closest(keys[0]!, known);
  throw new TerminalError('SQL_UNKNOWN_REF', `${call}: there is no ${kind} of that name.`, {
    details: { name: keys[0], known },
    next:
      nearest === undefined
        ? `The project has no ${kind}s.`
        : `Nearest name: ${nearest}. Correct the call, or add the ${kind}.`,
  });
}
