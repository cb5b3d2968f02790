import type { SourcePosition } from '../errors.js';
import type { RowDifference } from '../elt/unit-tests/run-unit-test.js';
import type { Project } from '../model/project.js';
import { pc } from './colors.js';
import { oneLine } from './display-width.js';
import { duration, table } from './format.js';

export interface TestOutcome {
  readonly kind: 'unit' | 'data';
  readonly name: string;
  readonly model: string;
  readonly at: SourcePosition;
  /** `error`: it could not be run. */
  readonly status: 'passed' | 'warned' | 'failed' | 'error';
  readonly seconds: number;
  /** Of a unit test. */
  readonly difference?: RowDifference;
  /** Of a data test: rows or values it found, and five of them. */
  readonly failures?: number;
  readonly sample?: readonly unknown[];
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly at: SourcePosition;
    readonly next?: string;
  };
}

const MARK = { passed: pc.green('✓'), warned: pc.yellow('!'), failed: pc.red('✗'), error: pc.red('✗') } as const;

/** One line a test, what is wrong below it, and the counts. */
export function renderTests(project: Project, outcomes: readonly TestOutcome[], ms: number): string {
  const section = (kind: TestOutcome['kind']): string[] => {
    const own = outcomes.filter((one) => one.kind === kind);
    return own.length === 0 ? [] : [pc.bold(`${kind} tests`), ...own.flatMap(renderTest)];
  };
  const lines = [`${pc.bold(project.name)} · ${project.env}`, ...section('unit'), ...section('data')];
  return `${lines.join('\n')}\n${outcomes.length === 0 ? 'no tests' : counts(outcomes)} in ${duration(ms)}\n`;
}

function renderTest(outcome: TestOutcome): string[] {
  const { status, model, name, difference, failures, sample = [], error, at } = outcome;
  const title = `  ${MARK[status]} ${model}: ${name}`;
  if (status === 'passed') return [title];
  if (error !== undefined) {
    const next = error.next === undefined ? [] : [`${pc.dim('→')} ${error.next}`];
    return [`${title} ${place(error.at)}`, ...indent([`${error.message} (${error.code})`, ...next])];
  }
  const found =
    difference === undefined
      ? [`${failures} found, expected 0, e.g.`, ...sample.map((row) => JSON.stringify(row))]
      : renderDifference(difference);
  return [`${title} ${place(at)}`, ...indent(found)];
}

/** At most this many rows of each kind are shown. */
const SHOWN = 10;

/** Missing and unexpected rows under each other, the ones that are nearest to each other paired; other values marked. */
export function renderDifference({ columns, missing, unexpected, equal }: RowDifference): string[] {
  const rest = [...unexpected];
  const rows: { readonly sign: '-' | '+'; readonly cells: readonly string[]; readonly marks: readonly boolean[] }[] =
    [];
  const add = (sign: '-' | '+', row: readonly (string | null)[], twin?: readonly (string | null)[]): void => {
    const marks = row.map((value, index) => twin !== undefined && value !== twin[index]);
    rows.push({ sign, cells: row.map(shownValue), marks });
  };
  for (const row of missing.slice(0, SHOWN)) {
    const twin = takeNearest(rest, row);
    add('-', row, twin);
    if (twin !== undefined) add('+', twin, row);
  }
  const others = rest.slice(0, SHOWN);
  for (const row of others) add('+', row);
  const grid = table([['', ...columns], ...rows.map(({ sign, cells }) => [sign, ...cells])]).split('\n');
  const colored = grid.map((line, index) =>
    index === 0 ? pc.dim(line) : rows[index - 1]!.sign === '-' ? pc.red(line) : pc.green(line),
  );
  const differing = [...new Set(rows.flatMap(({ marks }) => columns.filter((_, index) => marks[index])))];
  const hidden = Math.max(0, missing.length - SHOWN) + rest.length - others.length;
  return [
    `${missing.length} expected ${missing.length === 1 ? 'row is' : 'rows are'} missing (-), ${unexpected.length} unexpected (+), ${equal} as expected`,
    ...colored,
    ...(differing.length === 0 ? [] : [`differs in ${differing.join(', ')}`]),
    ...(hidden === 0 ? [] : [pc.dim(`… ${hidden} more`)]),
  ];
}

/** The row that has most values in common, taken out; none when no value is. */
function takeNearest(
  rows: (readonly (string | null)[])[],
  row: readonly (string | null)[],
): readonly (string | null)[] | undefined {
  const common = rows.map((other) => other.filter((value, index) => value === row[index]).length);
  const best = common.length === 0 ? 0 : Math.max(...common);
  return best === 0 && row.length > 1 ? undefined : rows.splice(common.indexOf(best), 1)[0];
}

function shownValue(value: string | null): string {
  if (value === null) return '∅';
  return value === '' ? "''" : oneLine(value, 60);
}

function place({ file, line, column }: SourcePosition): string {
  return pc.cyan([file, line, column].filter((part) => part !== undefined).join(':'));
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `      ${line}`);
}

function counts(outcomes: readonly TestOutcome[]): string {
  const words = { passed: 'passed', warned: 'with a warning', failed: 'failed', error: 'could not be run' } as const;
  const parts = (Object.keys(words) as TestOutcome['status'][]).flatMap((status) => {
    const count = outcomes.filter((one) => one.status === status).length;
    return count === 0 ? [] : [`${count} ${words[status]}`];
  });
  return parts.join(', ');
}
