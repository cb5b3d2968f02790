import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TerminalError } from '../../src/errors.js';
import { projectErrorCodes } from '../../src/project/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { calendarSql, labelsSql, small, temporaryFolder, writeProject } from './write-project.js';
import { asNormalUser } from '../support/is-root.js';

async function failure(files: Readonly<Record<string, string | Uint8Array>>): Promise<TerminalError> {
  const root = await writeProject(files);
  return failureIn(root);
}

async function failureIn(root: string): Promise<TerminalError> {
  const error: unknown = await loadProject({ root }).then(
    (project) => expect.fail(`loaded ${project.name}`),
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ terminal: true, next: expect.stringMatching(/.\.$|`$|\S$/) as string });
  const { code } = error as TerminalError;
  expect(Object.keys(projectErrorCodes)).toContain(code);
  return error as TerminalError;
}

/** code, line, column and the message's end, as one line. */
function summary({ code, at, message }: TerminalError): string {
  const position = [at?.file, at?.line, at?.column].filter((part) => part !== undefined).join(':');
  return `${code} ${position} ${message.replace(/^.*? failed: /, '')}`;
}

async function summaryOf(yaml: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  return summary(await failure({ ...small, ...files, 'plumbline.yaml': yaml }));
}

it.each([
  ['vars: { a: -9007199254740993 }', 'vars.a: -9007199254740993 would be read as -9007199254740992;'],
  ['sources: { api: { type: http, url: "https://a.example", resources: { x: { path: /x, method: POST, body: { ids: [1, 18446744073709551615] } } } } }', 'body.ids.1: 18446744073709551615 would be read as 18446744073709552000;'],
  ['vars: { a: 0x20000000000001 }', '0x20000000000001 would be read as 9007199254740992;'],
])('a whole number that would lose digits is refused: %s', async (yaml, message) => {
  expect(await summaryOf(`name: small\n${yaml}\n`)).toContain(`${message}`);
}); // prettier-ignore

describe('a project that is not there or cannot be read', () => {
  it('names the folder and says how to make one', async () => {
    const error = await failureIn(await temporaryFolder());
    expect(error.code).toBe('PROJECT_NOT_FOUND');
    expect(error.next).toContain('plumbline init');
  });

  it('says so when the file only has the other ending', async () => {
    expect((await failure({ 'plumbline.yml': 'name: x' })).next).toBe('Rename plumbline.yml to plumbline.yaml.');
  });

  it('refuses a folder, UTF-16, binary and a megabyte', async () => {
    const root = await temporaryFolder();
    await mkdir(join(root, 'plumbline.yaml'));
    expect((await failureIn(root)).message).toContain('it is a folder');
    const kinds = [
      [Buffer.of(0xff, 0xfe, 0x41), 'it is not UTF-8 text'],
      [Buffer.from('name: x\nsources:\0'), 'line 2 holds a NUL character'],
      [Buffer.from('name: x', 'utf16le'), 'line 1 holds a NUL character'],
    ] as const;
    for (const [content, message] of kinds)
      expect((await failure({ 'plumbline.yaml': content })).message).toContain(message);
    expect((await failure({ 'plumbline.yaml': `name: ${'x'.repeat(1_000_000)}` })).code).toBe(
      'PROJECT_FILE_UNREADABLE',
    );
  });

  it('says when permission is denied', async () => {
    const root = await writeProject(small);
    await chmod(root, 0o755);
    await chmod(join(root, 'plumbline.yaml'), 0);
    expect((await asNormalUser(() => failureIn(root))).message).toContain('permission denied');
  });
});

describe('plumbline.yaml that is no YAML', () => {
  it.each([
    ['name: shop\nsources: {\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:3:1'],
    ['name: shop\n\ttrain: x\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:2:1'],
    ['name: shop\nname: other\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:2:1 Map keys must be unique'],
    ['name: shop\n---\nname: other\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:2:1'],
    ['name: *nothing\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:1:7'],
    ['name: !!js/function "x"\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:1:7'],
    ['name: &a [*a]\n', 'PROJECT_YAML_SYNTAX plumbline.yaml:1:'],
  ])('%j', async (yaml, expected) => {
    expect(await summaryOf(yaml)).toContain(expected);
  });

  it('stops at aliases that unfold to a billion values', async () => {
    const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n}, `.repeat(9)}]`);
    expect(await summaryOf(`l0: &l0 x\n${levels.join('\n')}\n`)).toContain('too many values');
  });

  it('says that an empty file, a list and a text are no project', async () => {
    expect(await summaryOf('')).toContain('PROJECT_KEY_MISSING plumbline.yaml:1:1 it is empty, expected a mapping');
    expect(await summaryOf('- name: x\n')).toContain('expected a mapping of keys and values');
    expect(await summaryOf('shop\n')).toContain('the file is "shop", expected a mapping');
  });
});

describe('keys', () => {
  it.each([
    ['sorces: {}', 'PROJECT_KEY_UNKNOWN plumbline.yaml:2:1 the file has no key "sorces"; did you mean "sources"?'],
    [
      'sources: { a: { path: a.csv, primarykey: id } }',
      'plumbline.yaml:2:30 sources.a has no key "primarykey"; did you mean "primary_key"?',
    ],
    [
      'sources: { a: { resources: { b: { pth: a.csv } } } }',
      'sources.a.resources.b has no key "pth"; did you mean "path"?',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_form: 2025-01-01 }',
      'train has no key "test_form"; did you mean "test_from"?',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, trainer: { type: gradient_boosting, max_leafs: 3 } }',
      'train.trainer has no key "max_leafs"; did you mean "max_leaves"?',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, trainer: { type: linear, max_leaves: 3 } }',
      'train.trainer has no key "max_leaves"',
    ],
    ['tests: { orders: [ { nut_null: [a] } ] }', 'tests.orders[0] has no key "nut_null"; did you mean "not_null"?'],
    ['zzzzzzzzzzzzzz: 1', 'the file has no key "zzzzzzzzzzzzzz".'],
    ['__proto__: { approval: manual }', 'PROJECT_KEY_UNKNOWN plumbline.yaml:2:1 "__proto__" cannot be a key.'],
    ['sources: { __proto__: { path: x.csv } }', '"__proto__" cannot be a key.'],
    ['constructor: 1', 'the file has no key "constructor".'],
    ['sources: { constructor: 1 }', 'sources.constructor is 1, expected a mapping'],
    ['? [a, b]\n: 1', 'a list or mapping cannot be a key.'],
  ])('%s', async (line, expected) => {
    expect(await summaryOf(`name: shop\n${line}\n`)).toContain(expected);
  });

  it.each([
    ['monitor: { outcomes: outcomes.sql }', 'monitor'],
    ['sources: { a: { path: a.csv, cursor: day } }', 'sources.a.cursor'],
    ['sources: { a: { resources: { b: { path: a.csv, publish: chunk } } } }', 'sources.a.resources.b.publish'],
    ['sources: { a: { path: "gs://bucket/a.csv" } }', 'sources.a.path: reading from gs://'],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, search: { trials: 20 } }',
      'train.search',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], split: { by: time, test_from: 2025-01-01, folds: 4 } }',
      'train.split.folds',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, trainer: random_forest }',
      'train.trainer: the value "random_forest"',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, trainer: { type: python } }',
      'train.trainer.type: the value "python"',
    ],
    ['deploy: { rollout: { bake: 1h } }', 'deploy.rollout'],
    ['environments: { prod: { deploy: { rollout: { bake: 1h } } } }', 'deploy.rollout'],
  ])('%s is planned, not unknown', async (line, place) => {
    const text = await summaryOf(`name: shop\n${line}\n`);
    expect(text).toContain('PROJECT_KEY_LATER');
    expect(text).toContain(place);
    expect(text).toContain('is not available in this version of plumbline');
  });
});

it('names the nearest key alone where there are many, and a place in a list with its list', async () => {
  const yaml = 'name: shop\nsources: { a: { path: a.csv, membr: x } }\n';
  expect((await failure({ ...small, 'plumbline.yaml': yaml })).next).toBe('Rename it to member.');
  const alerts = 'name: shop\nalerts: { webhook: env:URL, on: [fail] }\n';
  expect((await failure({ ...small, 'plumbline.yaml': alerts })).next).toBe('Correct on[0].');
});

it('says of a misspelt key only that: the rules of its mapping may hold once it is corrected', async () => {
  const error = await failure({
    ...small,
    'plumbline.yaml': 'name: shop\nalerts: { webhok: env:URL, secret: env:KEY }\n',
  });
  expect(error.details).toMatchObject({ problems: [expect.objectContaining({ code: 'PROJECT_KEY_UNKNOWN' })] });
  const elsewhere = await failure({
    ...small,
    'plumbline.yaml': 'name: shop\nshedule: {}\nalerts: { on: [failed] }\n',
  });
  expect(elsewhere.details?.['problems']).toHaveLength(2);
});

describe('values', () => {
  const train = (more: string): string =>
    `train: { labels: labels.sql, features: [calendar], test_from: 2025-01-01, ${more} }`;
  it.each([
    ['sources: []', 'sources is [], expected a mapping of names and values'],
    ['sources: { a: data/a.csv }', 'sources.a is "data/a.csv", expected a mapping'],
    ['sources: { a: { path: 5 } }', 'sources.a.path is 5, expected a path or a glob'],
    ['sources: { a: {} }', 'PROJECT_KEY_MISSING plumbline.yaml:2:12 sources.a has no "path"'],
    ['sources: { a: { path: a.csv, write: merge } }', 'sources.a is merged and has no "primary_key"'],
    ['sources: { a: { path: a.csv, write: mrge } }', 'expected append, replace, merge; did you mean "merge"?'],
    [
      'sources: { a: { path: a.csv, primary_key: [1] } }',
      'plumbline.yaml:2:44 sources.a.primary_key[0] is 1, expected a column name',
    ],
    ['sources: { a: { path: a.csv, primary_key: 1 } }', 'expected a column name or a list of them'],
    [
      'sources: { a: { path: a.csv, columns: { day: datetime } } }',
      'sources.a.columns.day is "datetime", expected boolean, bigint',
    ],
    ['sources: { a: { path: a.csv, max_rejected: 20 } }', 'expected a percentage such as 20%'],
    [
      'sources: { a: { path: a.csv, max_rejected: 120% } }',
      'expected a percentage such as 20%, or a share from 0 to 1',
    ],
    ['sources: { a: { path: a.csv, csv: { delimiter: "||" } } }', 'expected one ASCII character that is no blank'],
    ['sources: { a: { path: a.csv, csv: { decimal: ";" } } }', 'PROJECT_VALUE_INVALID'],
    ['sources: { a: { path: a.csv, csv: { date_format: DD.MM.YY } } }', 'expected an order such as DD.MM.YYYY'],
    ['sources: { a: { path: a.csv, csv: { delimiter: ";", comment: ";" } } }', 'delimiter and comment are both ";"'],
    ['sources: { a: { path: a.csv, csv: { quote: "", escape: "x" } } }', 'there is an escape and no quote'],
    ['sources: { a: { path: a.parquet, csv: { quote: "" } } }', 'the format is parquet, expected csv'],
    ['sources: { a: { path: a.csv, encoding: utf16 } }', 'did you mean "utf-16"?'],
    ['sources: { "a b": { path: a.csv } }', 'the name "a b" under sources: expected a name of small letters'],
    [`sources: { 'x"; drop table y;--': { path: a.csv } }`, 'expected a name of small letters'],
    [`sources: { ${'a'.repeat(70)}: { path: a.csv } }`, 'at most 50 long'],
    [
      'sources: { a_b: { path: a.csv, resources: { c: {} } }, a: { path: a.csv, resources: { b_c: {} } } }',
      'PROJECT_NAME_TAKEN',
    ],
    ['tests: { orders: [ { not_null: [a], unique: [a] } ] }', 'expected exactly one of not_null'],
    ['tests: { orders: [ { accepted_values: { column: a, values: [9007199254740993] } } ] }', 'a larger one in quotes'],
    ['tests: { orders: { not_null: [a] } }', 'expected a list of tests'],
    [
      'tests: { ordrs: [ { not_null: [a] } ] }',
      'PROJECT_REFERENCE_UNKNOWN plumbline.yaml:2:10 there is no sql/ordrs.sql to test; did you mean "orders"?',
    ],
    [
      'tests: { orders: [ { relationships: { column: a, to: shops, field: id } } ] }',
      'there is no sql/shops.sql, and no seed or source of that name',
    ],
    ['train: { labels: labels.sql, features: [calendar] }', 'expected test_from'],
    ['train: { labels: labels.sql, features: [] , test_from: 2025-01-01 }', 'expected at least one feature view'],
    [
      'train: { labels: labels.sql, features: [calender] , test_from: 2025-01-01 }',
      'there is no feature view features/calender.sql; did you mean "calendar"?',
    ],
    ['train: { labels: labels.sql, features: [calendar, calendar] , test_from: 2025-01-01 }', 'names calendar twice'],
    [
      'train: { labels: label.sql, features: [calendar] , test_from: 2025-01-01 }',
      'PROJECT_FILE_MISSING plumbline.yaml:2:18 there is no such file',
    ],
    [
      'train: { labels: ../labels.sql, features: [calendar] , test_from: 2025-01-01 }',
      'expected a file inside the project',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: 2025-02-30 }',
      'expected a day that the calendar has',
    ],
    [
      'train: { labels: labels.sql, features: [calendar], test_from: tomorrow }',
      'expected a date or time such as 2012-10-01',
    ],
    [train('trainer: boosting'), 'train.trainer is "boosting", expected linear, logistic, gradient_boosting'],
    [train('trainer: { max_leaves: 31 }'), 'train.trainer'],
    [train('trainer: { type: linear, l2: "1" }'), 'train.trainer.l2 is "1", expected a number'],
    [train('trainer: { type: linear, l2: .nan }'), 'train.trainer.l2'],
    [
      train('trainer: { type: gradient_boosting, n_estimators: -5 }'),
      'train.trainer.n_estimators is -5, expected a whole number from 1 to 100000',
    ],
    [
      train('trainer: { type: gradient_boosting, max_leaves: 7.5 }'),
      'train.trainer.max_leaves is 7.5, expected a whole number from 2 to 65536',
    ],
    [
      train('trainer: { type: gradient_boosting, learning_rate: 0 }'),
      'train.trainer.learning_rate is 0, expected a number above 0 and at most 1',
    ],
    [train('trainer: { type: gradient_boosting, l2: -1 }'), 'train.trainer.l2 is -1, expected a number of 0 or more'],
    [
      train('trainer: { type: linear, max_categories: 0 }'),
      'train.trainer.max_categories is 0, expected a whole number from 1 to 100000',
    ],
    [train('trainer: { type: logistic, C: 0 }'), 'train.trainer.C is 0, expected a number of 1e-12 or more'],
    [
      train('trainer: { type: logistic, C: 1, l2: 2 }'),
      'train.trainer.C is 1, expected C or l2, not both (l2 is 1 / C)',
    ],
    [
      train('baselines: [{ seasonal_naive: 7 }]'),
      'train.baselines[0].seasonal_naive is 7, expected a duration such as 30m, 24h or 7d',
    ],
    [train('gates: [{ metric: rsme, better_than: champion }]'), 'train.gates[0].metric is "rsme", expected rmse, mae'],
    [train('seed: 1.5'), 'train.seed is 1.5, expected a whole number'],
    [train('variants: { main: { features: [calendar] } }'), 'the variant "main" has the name'],
    ['deploy: { approval: maybe }', 'deploy.approval is "maybe", expected none, manual'],
    ['deploy: { approval: yes }', 'deploy.approval is "yes"'],
    ['environments: { prod: { name: other } }', 'a project has the same name everywhere'],
  ])('%s', async (line, expected) => {
    expect(await summaryOf(`name: shop\n${line}\n`, { 'sql/orders.sql': 'SELECT 1 AS a\n' })).toContain(expected);
  });

  it.each(['Shop', '1shop', 'a_b', 'pg', 'pg-x', `${'a'.repeat(41)}`, "'x\"; drop schema public;--'", '5', 'ünicode'])(
    'refuses the project name %s',
    async (name) => {
      expect(await summaryOf(`name: ${name}\n`)).toMatch(
        /PROJECT_VALUE_INVALID plumbline.yaml:1:7 name is .*expected a name/,
      );
    },
  );

  it('never repeats a secret that stands in the file', async () => {
    const error = await failure({
      'plumbline.yaml': 'name: shop\nenvironments:\n  prod: { database: postgres://me:hunter2@db/x }\n',
    });
    expect(error.code).toBe('PROJECT_SECRET_IN_FILE');
    expect(JSON.stringify([error.message, error.details, error.next])).not.toContain('hunter2');
    const elsewhere = await failure({ 'plumbline.yaml': 'name: postgres://me:hunter2@db/x\n' });
    expect(JSON.stringify([elsewhere.message, elsewhere.details])).not.toContain('hunter2');
  });

  it('collects all problems, the first as the message', async () => {
    const error = await failure({
      ...small,
      'plumbline.yaml': 'name: Shop\nsorces: {}\ndeploy: { approval: maybe, modl: x }\n',
    });
    expect(error.message).toMatch(/and 3 more: see `plumbline validate`/);
    expect((error.details['problems'] as { at: { line: number } }[]).map(({ at }) => at.line).sort()).toEqual([
      1, 2, 3, 3,
    ]);
  });
});

describe('SQL files', () => {
  const yaml = small['plumbline.yaml'];
  const withLabels = (text: string): Promise<string> => summaryOf(yaml, { 'labels.sql': text });
  const withCalendar = (text: string): Promise<string> => summaryOf(yaml, { 'features/calendar.sql': text });

  it('names the nearest key at its own line and column', async () => {
    expect(await withCalendar(calendarSql.replace('-- event_time', '-- event_tme'))).toContain(
      'PROJECT_KEY_UNKNOWN features/calendar.sql:2:4 the file has no key "event_tme"; did you mean "event_time"?',
    );
    expect(await withCalendar(`-- knwon_at: day\n${calendarSql}`)).toContain(
      'PROJECT_KEY_UNKNOWN features/calendar.sql:1:4 the file has no key "knwon_at"; did you mean "known_at"?',
    );
    expect(await withCalendar(calendarSql.replace('-- known_at: known_at', '--   known_at: known_at'))).toMatch(
      /PROJECT_YAML_SYNTAX features\/calendar.sql:[23]/,
    );
  });

  it('says what a file without a header lacks', async () => {
    expect(await withLabels('SELECT 1\n')).toContain(
      'PROJECT_HEADER_MISSING labels.sql:1 its first lines do not say entity, label_time, target, horizon',
    );
    expect(await withCalendar('SELECT 1\n')).toContain('its first lines do not say entity, event_time');
    expect(await withLabels(labelsSql.replace('-- horizon: 1d\n', ''))).toContain(
      'there is no "horizon", expected a duration',
    );
  });

  it('refuses wrong values with the line of the header', async () => {
    expect(await withLabels(labelsSql.replace('1d', 'tomorrow'))).toContain(
      'PROJECT_VALUE_INVALID labels.sql:4:13 horizon is "tomorrow", expected a duration',
    );
    expect(await withCalendar(`-- known_at_assumed: never changed\n${calendarSql}`)).toContain('not both');
    expect(await summaryOf(yaml, { 'sql/orders.sql': '-- materialized: tabel\nSELECT 1\n' })).toContain(
      'did you mean "table"?',
    );
  });

  it('refuses a file without a statement', async () => {
    expect(await withLabels('')).toContain('PROJECT_SQL_EMPTY');
    expect(await withLabels('-- entity: a\n/* SELECT 1 */ ;\n')).toContain('PROJECT_SQL_EMPTY');
  });

  it('refuses two files of one name, whatever folders they are in', async () => {
    const files = { 'sql/a/daily.sql': 'SELECT 1 AS x\n', 'sql/b/daily.sql': 'SELECT 1 AS x\n' };
    expect(await summaryOf(yaml, files)).toContain('sql/a/daily.sql has the name daily already');
  });

  it('refuses file names that are no table names', async () => {
    expect(await summaryOf(yaml, { 'sql/Daily Orders.sql': 'SELECT 1\n' })).toContain('its name becomes a table');
  });
});
