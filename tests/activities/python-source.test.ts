import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

// Where python3 is a script of a version manager, it takes longer to start than all the rest.
const PYTHON = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout?.trim();
const hasPython = Boolean(PYTHON);
if (!hasPython) console.warn('skipped: there is no python3 on the PATH');

const yaml = (sources: string): string => `name: shop\nsources:\n${sources}`;

const EVENTS = `
import os, signal, subprocess, sys
import plumbline

def events():
    start = plumbline.state(0)
    config = plumbline.config()
    print("noise from", start)
    subprocess.run(["echo", '{"id": 666}'])
    for id in range(start + 1, config["last"] + 1):
        yield {"id": id, "from": start}
        if id % 2 == 0:
            plumbline.checkpoint(id)
        if id == config.get("die_at") and not os.path.exists(config["marker"]):
            open(config["marker"], "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    plumbline.checkpoint(config["last"])

def others():
    yield [{"id": 1, "resource": plumbline.resource(), "state": plumbline.state("none")}]
    plumbline.checkpoint({"big": 2**53 + 1})
`;

describe.skipIf(!hasPython)('a python source', () => {
  let bench: Workbench;
  beforeAll(async () => {
    process.env['SHOP_TOKEN'] = 's3cr3t-token';
    bench = await createWorkbench({ 'plumbline.yaml': yaml('  a: { path: a.csv }'), 'a.csv': 'x\n1\n' });
  }, 60_000);
  afterAll(async () => {
    delete process.env['SHOP_TOKEN'];
    await bench.destroy();
  });

  let runs = 0;
  async function load(more: { force?: boolean } = {}) {
    const { run, plan } = await bench.open(`run-${++runs}`, ['elt'], more);
    let failed = true;
    try {
      const { loads } = await bench.elt(run, plan);
      failed = false;
      return { loads, run };
    } finally {
      await bench.close(run, failed ? 'failed' : 'succeeded');
    }
  }
  const rows = (table: string, columns: string) =>
    bench.test.database.query(`SELECT ${columns} FROM shop_dev_raw.${table} ORDER BY _load_id, _row_number`);
  const types = async (table: string) =>
    Object.fromEntries(
      (
        await bench.test.database.query<{ name: string; type: string }>(
          `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
           WHERE attrelid = 'shop_dev_raw.${table}'::regclass AND attnum > 0 AND attname !~ '^_'`,
        )
      ).map(({ name, type }) => [name, type]),
    );

  it('keeps values exactly, with the types that Python has', async () => {
    await bench.write({
      'plumbline.yaml': yaml('  exact: { type: python, script: sources/exact.py }'),
      'sources/exact.py': `
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from helper import pages   # lies beside the script

class Frame:   # what a DataFrame offers
    columns = ["n", "code"]
    def itertuples(self, index, name):
        yield 7, "007"
        yield 8, float("nan")

def exact():
    nan, inf = float("nan"), float("inf")
    yield {"n": 1, "empty": "", "missing": None, "word": "NULL", "big": 2**53 + 1, "huge": 2**70, "money": Decimal("1234567890123456789012345678.900000001"),
           "price": Decimal("1.10"), "f": nan, "whole": 2.0, "at": datetime(2024, 3, 31, 2, 30, 0, 123456, timezone(timedelta(hours=5, minutes=45))),
           "local": datetime(2024, 3, 31, 2, 30), "day": date(2024, 2, 29), "clock": time(23, 59, 59), "raw": b"\\x00\\xff", "id": UUID(int=7),
           "doc": {"a": [1, Decimal("0.10"), None, nan]}, "any": 1, "text": 'tab\\t "quoted" \\\\N \\u2028 \\U0001f600', "code": "0042"}
    yield {"n": 2, "f": inf, "money": Decimal("NaN"), "any": "one", "doc": "scalar"}
    yield {"n": 3, "f": -inf, "any": True, "doc": 5}
    yield from pages()
    yield Frame()
`,
      'sources/helper.py': 'def pages():\n    return [[{"n": 4, "any": None}], ({"n": k} for k in (5, 6))]\n',
    });
    await load();
    expect(await types('exact')).toEqual({
      n: 'bigint',
      empty: 'text',
      missing: 'text',
      word: 'text',
      big: 'bigint',
      huge: 'numeric',
      money: 'numeric',
      price: 'numeric',
      f: 'double precision',
      whole: 'double precision',
      at: 'timestamp with time zone',
      local: 'timestamp without time zone',
      day: 'date',
      clock: 'time without time zone',
      raw: 'bytea',
      id: 'uuid',
      doc: 'jsonb',
      any: 'jsonb',
      text: 'text',
      code: 'text',
    });
    const [first, second, third, ...rest] = await rows(
      'exact',
      `n::text, empty, missing, word, big::text, huge::text, money::text, price::text, f::text, whole::text, at AT TIME ZONE 'UTC' AS at,
       local::text, day::text, clock::text, encode(raw, 'hex') AS raw, id::text, doc::text, "any"::text, text, code`,
    );
    expect(first).toMatchObject({
      empty: '',
      missing: null,
      word: 'NULL',
      big: '9007199254740993',
      huge: '1180591620717411303424',
      money: '1234567890123456789012345678.900000001',
      price: '1.10',
      f: 'NaN',
      whole: '2',
      at: '2024-03-30 20:45:00.123456',
      local: '2024-03-31 02:30:00',
      day: '2024-02-29',
      clock: '23:59:59',
      raw: '00ff',
      id: '00000000-0000-0000-0000-000000000007',
      doc: '{"a": [1, 0.10, null, "NaN"]}',
      any: '1',
      text: 'tab\t "quoted" \\N \u2028 \u{1f600}',
      code: '0042',
    });
    expect(second).toMatchObject({ f: 'Infinity', money: 'NaN', any: '"one"', doc: '"scalar"' });
    expect(third).toMatchObject({ f: '-Infinity', any: 'true', doc: '5' });
    expect(rest.map(({ n, code }) => [n, code])).toEqual([
      ['4', null],
      ['5', null],
      ['6', null],
      ['7', '007'],
      ['8', null],
    ]);
  });

  it('goes on where it was killed, and in the next load, with every row once; --force begins anew', async () => {
    const sources = (last: number): string =>
      yaml(`
  shop:
    type: python
    python: ${PYTHON}
    script: sources/events.py
    resources:
      events: { write: append, config: { last: ${last}, die_at: 5, marker: "${join(bench.root, 'killed')}" } }
      others: { primary_key: id }
`);
    await bench.write({ 'plumbline.yaml': sources(6), 'sources/events.py': EVENTS });
    const run = await bench.open(`run-${++runs}`, ['elt']);
    const extract = () => bench.call('extractResource', { run: run.run, resource: 'shop.events' });
    await expect(extract()).rejects.toMatchObject({
      nonRetryable: false,
      details: [{ code: 'ELT_PROGRAM_ENDED', details: { signal: 'SIGKILL', retryAfterMs: 1_000 } }],
    });
    await bench.elt(run.run, run.plan);
    await bench.close(run.run);
    expect(await rows('shop_events', 'id::int, "from"::int')).toEqual([
      { id: 1, from: 0 },
      { id: 2, from: 0 },
      { id: 3, from: 0 },
      { id: 4, from: 0 },
      { id: 5, from: 4 },
      { id: 6, from: 4 },
    ]);
    expect(await rows('shop_others', 'resource, state::text')).toEqual([{ resource: 'others', state: 'none' }]);
    const state = () => bench.test.database.query('SELECT resource, value FROM plumbline.cursors ORDER BY resource');
    expect(await state()).toEqual([
      { resource: 'shop.events', value: '6' },
      { resource: 'shop.others', value: '{"big":9007199254740993}' },
    ]);

    await bench.write({ 'plumbline.yaml': sources(8) });
    await load();
    expect((await rows('shop_events', 'id::int')).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect((await rows('shop_events', '"from"::int AS start')).slice(6)).toEqual([{ start: 6 }, { start: 6 }]);
    expect(await rows('shop_others', 'state::text')).toEqual([{ state: '{"big":9007199254740993}' }]);

    // Nothing new: the checkpoint stays, and the table too.
    const { loads } = await load();
    expect(loads[0]).toMatchObject({ resource: 'shop.events', tableRows: 8 });

    await bench.write({ 'plumbline.yaml': sources(3).replace('die_at: 5, ', '') });
    await load({ force: true });
    expect(await rows('shop_events', 'id::int, "from"::int AS start')).toEqual(
      [1, 2, 3].map((id) => ({ id, start: 0 })),
    );
    expect((await state())[0]).toEqual({ resource: 'shop.events', value: '3' });
  });

  it('is all there is after `replace`: a table that appends again begins anew, and has no row twice', async () => {
    const write = async (last: number, how: string) => {
      await bench.write({
        'plumbline.yaml': yaml(
          `  grown: { type: python, python: ${PYTHON}, script: sources/events.py, function: events, write: ${how}, config: { last: ${last} } }`,
        ),
        'sources/events.py': EVENTS,
      });
      await load();
      return (await rows('grown', 'id::int')).map(({ id }) => id);
    };
    expect(await write(2, 'append')).toEqual([1, 2]);
    expect(await write(4, 'replace')).toEqual([1, 2, 3, 4]);
    expect(await write(6, 'append')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await write(8, 'append')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('is tried again while it comes further, and given up when it says the same checkpoint again and again', async () => {
    const marker = join(bench.root, 'attempts');
    await bench.write({
      'plumbline.yaml': yaml(
        `  stuck: { type: python, python: ${PYTHON}, script: sources/stuck.py, write: append, config: { é: "ä" }, env: { PYTHONIOENCODING: latin-1 } }`,
      ),
      'sources/stuck.py': `
import plumbline
def stuck():
    with open(${JSON.stringify(marker)}, "a+") as file:
        file.write("x")
        file.seek(0)
        attempt = len(file.read())
    assert plumbline.config() == {"é": "ä"}
    if attempt == 2:
        raise plumbline.Retry("busy")
    yield {"attempt": attempt}
    plumbline.checkpoint(min(attempt, 9))
    raise plumbline.Retry("busy")
`,
    });
    const { run } = await bench.open(`run-${++runs}`, ['elt']);
    const pauses: unknown[] = [];
    for (let attempt = 1; attempt <= 15; attempt++) {
      const failure = (await bench
        .call('extractResource', { run, resource: 'stuck' })
        .catch((error: unknown) => error)) as {
        nonRetryable: boolean;
        message: string;
        details: { details: { retryAfterMs?: number } }[];
      };
      if (failure.nonRetryable) pauses.push(failure.message);
      else pauses.push(failure.details[0]!.details.retryAfterMs);
    }
    expect(pauses).toEqual([
      ...[1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000],
      ...[1_000, 5_000, 15_000, 30_000, 60_000],
      expect.stringContaining('It was tried 6 times and came no further.'),
    ]);
    await bench.close(run, 'failed');
  });

  it('says where its code went wrong, keeps its secrets, and lets the rest of the environment out', async () => {
    await bench.write({
      'plumbline.yaml': yaml(`
  api: { type: python, python: ${PYTHON}, script: sources/api.py, env: { TOKEN: env:SHOP_TOKEN, LEVEL: debug }, config: { key: env:SHOP_TOKEN } }`),
      'sources/api.py': `
import json, os, sys, plumbline

def fetch(token):
    raise ValueError("refused " + token)

def api():
    # A version manager's python3 is a script of the shell.
    usual = ("PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "PYENV", "_", "PWD", "SHLVL")
    command = open("/proc/self/cmdline").read()
    with open(${JSON.stringify(join(bench.root, 'seen.json'))}, "w") as file:
        json.dump([sorted(name for name in os.environ if not name.startswith(usual)), "s3cr3t" in command, plumbline.config()["key"]], file)
    print("token is", os.environ["TOKEN"], file=sys.stderr)
    yield {"id": 1}
    fetch(os.environ["TOKEN"])
`,
    });
    const failure: unknown = await load().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      nonRetryable: true,
      message:
        'Reading api failed after 1 row: ValueError: refused *** at sources/api.py:5 in fetch, called at sources/api.py:15 in api.',
      details: [
        {
          code: 'ELT_PROGRAM_ERROR',
          at: { file: 'sources/api.py', line: 5 },
          details: { stderr: ['token is ***'] },
        },
      ],
    });
    const seen: unknown = JSON.parse(await readFile(join(bench.root, 'seen.json'), 'utf8'));
    expect(seen).toEqual([['LEVEL', 'TOKEN'], false, 's3cr3t-token']);
  });

  it('refuses what is no row, and says where it was yielded', async () => {
    const cases = [
      [
        'yield {"id": 1}; yield 5',
        'TypeError: expected a row as a mapping, or many of them, got int: 5 at sources/bad.py:2 in f0.',
      ],
      ['yield {"id": object()}', "TypeError: key 'id': got object, expected str, int"],
      ['import plumbline; yield {}; plumbline.checkpoint(None)', 'a checkpoint says where to go on'],
      ['import nothing_of_that_name; yield {}', "No module named 'nothing_of_that_name' at sources/bad.py:8 in f3."],
      ['import sys; yield {}; sys.exit(0)', 'ended with exit code 0 before its last row'],
      ['import plumbline; yield {}; raise plumbline.Retry("busy", after=7)', 'Retry: busy'],
    ] as const;
    const resources = [...cases, 'missing'].map((_, index) => `f${index}: {}`).join(', ');
    await bench.write({
      'plumbline.yaml': yaml(
        `  bad: { type: python, python: ${PYTHON}, script: sources/bad.py, resources: { ${resources} } }`,
      ),
      'sources/bad.py': cases.map(([body], index) => `def f${index}():\n    ${body}\n`).join(''),
    });
    const { run } = await bench.open(`run-${++runs}`, ['elt']);
    const refused = async (resource: string) =>
      bench.call('extractResource', { run, resource }).catch((error: unknown) => error as Error & { details: unknown });
    for (const [index, [, message]] of cases.entries())
      expect(await refused(`bad.f${index}`)).toMatchObject({ message: expect.stringContaining(message) as string });
    expect(await refused('bad.f5')).toMatchObject({ details: [{ details: { retryAfterMs: 7_000 } }] });
    expect(await refused('bad.f6')).toMatchObject({
      message: expect.stringContaining('sources/bad.py has no function f6; it has f0, f1, f2') as string,
    });
    await bench.close(run, 'failed');
  });

  it('quarantines a row that the table cannot hold, and says that there is no interpreter', async () => {
    await bench.write({
      'plumbline.yaml': yaml(
        `  deep: { type: python, python: ${PYTHON}, script: sources/deep.py, columns: { n: bigint, later: date }, max_rejected: 50% }`,
      ),
      'sources/deep.py': `
def deep():
    yield {"n": 1, "ok": True}
    yield {"n": "one"}
    yield {"n": 2, "nul": "a\\u0000b"}
`,
    });
    await expect(load()).rejects.toMatchObject({ details: [{ code: 'ELT_TOO_MANY_REJECTS' }] });
    await bench.write({ 'sources/deep.py': 'def deep():\n    yield {"n": 1, "ok": True}\n    yield {"n": "one"}\n' });
    expect((await load()).loads[0]).toMatchObject({ rowsRead: 2, rowsLoaded: 1, rowsRejected: 1 });
    expect(await types('deep')).toMatchObject({ n: 'bigint', later: 'date', ok: 'boolean' });
    await bench.write({
      'plumbline.yaml': yaml('  deep: { type: python, script: sources/deep.py, python: .venv/bin/python9 }'),
    });
    await expect(load()).rejects.toMatchObject({
      nonRetryable: true,
      details: [{ code: 'ELT_CHILD_START', at: { file: 'plumbline.yaml', line: 3 } }],
    });
  });

  it('follows contract, merge and anomaly as a file does', async () => {
    const source = (more: string): string =>
      yaml(`  kept:\n    type: python\n    python: ${PYTHON}\n    script: sources/kept.py\n    config: { of: given.json }\n    resources:\n      staff: { primary_key: id, merge: { strategy: scd2, when_gone: close } }\n      lines: ${more}\n`);
    const guarded = '{ write: append, contract: { columns: discard_value, types: discard_row }, max_rejected: 50%, anomaly: { mode: fail, min_history: 3 } }';
    const give = (staff: string, lines: string) =>
      bench.write({
        'sources/kept.py': `
import plumbline

def staff():
    yield from ${staff}

def lines():
    yield from ${lines}
    plumbline.checkpoint(plumbline.state(0) + 1)
`,
        'plumbline.yaml': source(guarded),
      });
    const states = () => bench.test.database.query(`SELECT concat_ws(' ', id, v, CASE WHEN _valid_to IS NULL THEN 'now' ELSE 'ended' END) AS s FROM shop_dev_raw.kept_staff ORDER BY 1`);
    await give('[{"id": k, "v": "a"} for k in (1, 2, 3)]', '[{"n": k, "day": 0} for k in range(20)]');
    await load();
    await give('[{"id": 1, "v": "b"}, {"id": 3, "v": "a"}]', '[{"n": k, "day": 1, "tip": None if k else 5} for k in range(20)] + [{"n": "x"}]');
    const second = (await load()).loads;
    expect((await states()).map((row) => row['s'])).toEqual(['1 a ended', '1 b now', '2 a ended', '3 a now']);
    expect(second[1]).toMatchObject({ rowsRead: 21, rowsRejected: 1, tableRows: 40, notices: ['kept.lines: 1 value of column tip was dropped by its contract'] });
    await give('[{"id": 1, "v": "b"}]\n    plumbline.checkpoint(1)', '[{"n": k, "day": 2} for k in range(21)]');
    await load();
    // From its checkpoint on, what does not come is not gone.
    await give('[{"id": 4, "v": "c"}]', '[{"n": k, "day": 3} for k in range(19)]');
    const notices = (await load()).loads[0]!.notices;
    expect(notices).toEqual(['kept.staff: rows that are gone were not closed, as the source went on from its last checkpoint']);
    expect((await states()).map((row) => row['s'])).toEqual(['1 a ended', '1 b now', '2 a ended', '3 a ended', '4 c now']);
    await give('[]', '[{"n": k, "day": 4} for k in range(1)]');
    await expect(load()).rejects.toMatchObject({ details: [{ code: 'ELT_ANOMALY', message: expect.stringContaining('1 row, expected 3 to 37') as string }] });
    await give('[]', '[{"n": k, "day": 4, "other": 1} for k in range(20)]');
    await bench.write({ 'plumbline.yaml': source(guarded.replace('discard_value', 'freeze')) });
    await expect(load()).rejects.toMatchObject({ details: [{ code: 'ELT_CONTRACT' }] });
    expect(await bench.test.database.query('SELECT count(*)::int AS rows FROM shop_dev_raw.kept_lines')).toEqual([{ rows: 80 }]);
  }); // prettier-ignore
});
