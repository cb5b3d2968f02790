import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import type { StepError } from '../../src/contracts/run.js';
import { defineSource, type SourceContext } from '../../src/model/define-source.js';
import { packBundle } from '../../src/project/pack-bundle.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { createWorkbench, type Workbench } from './workbench.js';

const EVENTS = `import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync, writeFileSync } from 'node:fs';
import { defineSource, Retry, type SourceContext } from 'plumbline';
import { double } from 'tiny-package';
import { fetchPage } from './pages.js';

interface Config { last: number; marker: string; token: string }

export default defineSource<Config, number>({
  async *events({ state = 0, config, checkpoint }: SourceContext<Config, number>) {
    console.log('["done"]');
    for (let id = state + 1; id <= config.last; id++) {
      await sleep(1);
      yield { id, from: state, twice: double(id) };
      if (id % 2 === 0) checkpoint(id);
      if (id === 5 && !existsSync(config.marker)) {
        writeFileSync(config.marker, '');
        process.kill(process.pid, 'SIGKILL');
      }
    }
    checkpoint(config.last);
  },
  *exact() {
    yield [
      { n: 1, big: 9007199254740993n, huge: 2n ** 70n, at: new Date(0), raw: new Uint8Array([0, 255]), f: NaN, doc: { a: [1n, undefined, null] }, any: 1, code: '007', no: undefined },
      { n: 2.5, f: -Infinity, doc: [1], any: 'one', code: '' },
    ];
  },
  *broken() {
    yield { id: 1 };
    fetchPage('s3cr3t');
  },
  *busy() { yield {}; throw new Retry('busy', { after: 7 }); },
  *wrong() { yield 5 as never; },
  *none({ config: _config }: SourceContext<Config, number>) { yield [{}, new Map([['id', 1]])] as never; },
  *nested() { yield [[{ id: 1 }]] as never; },
  async *hangs() { await new Promise(() => {}); yield {}; },
});
`;
const PAGES = `interface Long {
  a: string;
}

export function fetchPage(token: string): Long {
  throw new Error('refused ' + token);
}
`;

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('a plug-in', () => {
  let bench: Workbench;
  beforeAll(async () => {
    process.env['SHOP_KEY'] = 's3cr3t';
    bench = await createWorkbench({
      'plumbline.yaml': 'name: shop\n',
      'sources/events.ts': EVENTS,
      'sources/pages.ts': PAGES,
      'node_modules/tiny-package/package.json': '{ "name": "tiny-package", "main": "index.js" }',
      'node_modules/tiny-package/index.js': `const { EOL } = require('os'); exports.double = (n) => 2 * n * EOL.length;`,
    });
  }, 60_000);
  afterAll(async () => {
    delete process.env['SHOP_KEY'];
    await bench.destroy();
  });

  const yaml = (resources: string, last = 6): string => `name: shop
sources:
  shop:
    type: plugin
    module: sources/events.ts
    config: { last: ${last}, marker: "${join(bench.root, 'killed')}", token: env:SHOP_KEY }
    resources: { ${resources} }
`;
  let runs = 0;
  const open = () => bench.open(`run-${++runs}`, ['elt']);
  const rows = (table: string, columns: string) =>
    bench.test.database.query(`SELECT ${columns} FROM shop_dev_raw.${table} ORDER BY _load_id, _row_number`);

  it('is built with what it imports, and goes on where it was killed, and in the next load', async () => {
    await bench.write({ 'plumbline.yaml': yaml('events: { write: append }') });
    const first = await open();
    await bench.remove('sources/pages.ts').then(() => bench.write({ 'sources/pages.ts': PAGES }));
    const extract = () => bench.call('extractResource', { run: first.run, resource: 'shop.events' });
    await expect(extract()).rejects.toMatchObject({ details: [{ code: 'ELT_PROGRAM_ENDED' }] });
    await bench.elt(first.run, first.plan);
    await bench.close(first.run);
    await bench.write({ 'plumbline.yaml': yaml('events: { write: append }', 8) });
    const second = await open();
    await bench.elt(second.run, second.plan);
    await bench.close(second.run);
    expect(await rows('shop_events', 'id::int, "from"::int, twice::int')).toEqual(
      [0, 0, 0, 0, 4, 4, 6, 6].map((from, index) => ({ id: index + 1, from, twice: 2 * (index + 1) })),
    );
  });

  it('keeps values exactly, with the types that they have', async () => {
    await bench.write({ 'plumbline.yaml': yaml('exact: {}') });
    const { run, plan } = await open();
    await bench.elt(run, plan);
    await bench.close(run);
    expect(
      await rows('shop_exact', `n::text, big::text, huge::text, (at AT TIME ZONE 'UTC')::text AS at, encode(raw, 'hex') AS raw, f::text, doc::text, "any"::text, code, pg_typeof(f)::text AS type`),
    ).toEqual([
      { n: '1', big: '9007199254740993', huge: '1180591620717411303424', at: '1970-01-01 00:00:00', raw: '00ff', f: 'NaN', doc: '{"a": [1, null, null]}', any: '1', code: '007', type: 'double precision' },
      { n: '2.5', big: null, huge: null, at: null, raw: null, f: '-Infinity', doc: '[1]', any: '"one"', code: '', type: 'double precision' },
    ]); // prettier-ignore
  });

  it('follows contract and merge as a file does', async () => {
    const orders = (contract: string): string =>
      `orders: { merge: { strategy: delete-insert, key: order, hard_delete: gone }, contract: { columns: ${contract} }, anomaly: warn }`;
    const load = async (lines: string, contract = 'evolve') => {
      await bench.write({
        'plumbline.yaml': yaml(orders(contract)).replace('events.ts', 'orders.ts'),
        'sources/orders.ts': `export default { *orders() { yield ${lines}; } };`,
      });
      const { run, plan } = await open();
      return bench.elt(run, plan).finally(() => bench.close(run));
    };
    await load('[{ order: 1, item: "a" }, { order: 1, item: "b" }, { order: 2, item: "c" }, { order: 3, item: "d" }]');
    await load('[{ order: 1, item: "e" }, { order: 3, gone: true }]');
    const found = await bench.test.database.query(
      `SELECT "order"::int, item FROM shop_dev_raw.shop_orders ORDER BY 1, 2`,
    );
    expect(found).toEqual([{ order: 1, item: 'e' }, { order: 2, item: 'c' }]); // prettier-ignore
    await expect(load('{ order: 1, price: 5 }', 'freeze')).rejects.toMatchObject({
      details: [{ code: 'ELT_CONTRACT' }],
    });
  });

  it('takes columns of any name, and an error of any text, which ends step and run in its own words', async () => {
    await bench.write({
      'plumbline.yaml': yaml('named: { max_rejected: 50% }, failing: {}').replace('events.ts', 'naughty.ts'),
      'sources/naughty.ts': String.raw`export default {
  *named() {
    yield JSON.parse('{ "__proto__": 1, "constructor": 2, "toString": 3, "\\u001b[31m": 4 }');
    yield { constructor: 2.5, 'k\0': 'v', 'l\ud800': 1 };
  },
  *failing() { yield {}; throw new Error('the server said a\0b\ud800'); },
};`,
    });
    const { run, plan } = await open();
    const { loads } = await bench.elt(run, { ...plan, resources: ['shop.named'] });
    expect(loads).toMatchObject([{ rowsLoaded: 1, rowsRejected: 1 }]);
    const [row] = await rows('shop_named', `to_jsonb(shop_named) - '{_load_id,_row_number,_loaded_at}'::text[] AS row`);
    expect(Object.entries((row as { row: object }).row)).toEqual(
      expect.arrayContaining([['__proto__', 1], ['constructor', 2], ['toString', 3], ['\u001b[31m', 4]]), // prettier-ignore
    );
    const failure = await bench
      .call('extractResource', { run, resource: 'shop.failing' })
      .catch((error: unknown) => error);
    const [error] = (failure as { details: [StepError] }).details;
    await bench.call('closeRun', { run, status: 'failed', error });
    const said = {
      code: 'ELT_PROGRAM_ERROR',
      message: expect.stringContaining('the server said a\u2400b\ufffd') as string,
    };
    expect(
      await bench.test.database.query(
        `SELECT status, error FROM plumbline.runs WHERE run_id = $1
         UNION ALL SELECT status, error FROM plumbline.run_steps WHERE run_id = $1 AND step = 'extract:shop.failing'`,
        [run.runId],
      ),
    ).toMatchObject([{ status: 'failed', error: said }, { status: 'failed', error: said }]); // prettier-ignore
  });

  it("says where the author's code went wrong", async () => {
    await bench.write({
      'plumbline.yaml': yaml('broken: {}, busy: {}, wrong: {}, missing: {}, hangs: {}, none: {}, nested: {}'),
    });
    const { run } = await open();
    const refused = (resource: string) =>
      bench.call('extractResource', { run, resource: `shop.${resource}` }).catch((error: unknown) => error);
    expect(await refused('broken')).toMatchObject({
      nonRetryable: true,
      message:
        'Reading shop.broken failed after 1 row: Error: refused *** at sources/pages.ts:6 in fetchPage, called at sources/events.ts:31 in broken.',
      details: [{ code: 'ELT_PROGRAM_ERROR', at: { file: 'sources/pages.ts', line: 6 } }],
    });
    expect(await refused('busy')).toMatchObject({ details: [{ code: 'ELT_PROGRAM_RETRY', details: { retryAfterMs: 7_000 } }] }); // prettier-ignore
    expect(await refused('wrong')).toMatchObject({ message: expect.stringContaining('expected a row as an object, or a list of them, got number: 5') as string }); // prettier-ignore
    // A row of it would have no value, and be taken for one.
    expect(await refused('none')).toMatchObject({ message: expect.stringContaining("expected a row as an object, or a list of them, got Map: Map(1) { 'id' => 1 }") as string }); // prettier-ignore
    expect(await refused('nested')).toMatchObject({ message: expect.stringContaining('got Array: [ { id: 1 } ]') as string }); // prettier-ignore
    expect(await refused('missing')).toMatchObject({ message: expect.stringContaining('has no function missing; it has broken, busy') as string }); // prettier-ignore
    // Nothing is left that could resolve its promise, so Node.js ends.
    expect(await refused('hangs')).toMatchObject({ details: [{ code: 'ELT_PROGRAM_ENDED' }] });
    await bench.close(run, 'failed');
  });

  it('is packed alike every time, and not at all when it cannot be built', async () => {
    const store = openDirectoryStore(join(bench.root, '.plumbline', 'store'));
    const pack = () => packBundle({ root: bench.root, store });
    const one = await pack();
    expect(one.digest).toBe((await pack()).digest);
    expect(Object.keys(one.files)).toContain('.plumbline-plugins/sources/events.ts.mjs.map');
    const error = (content: string) => bench.write({ 'sources/events.ts': content }).then(() => pack().catch((caught: unknown) => caught)); // prettier-ignore
    expect(await error('export default {\n  a: ]\n}')).toMatchObject({
      code: 'PROJECT_PLUGIN_BUILD',
      at: { file: 'sources/events.ts', line: 2 },
    });
    expect(await error(`import 'no-such-package';`)).toMatchObject({ message: expect.stringContaining('Could not resolve "no-such-package"') as string }); // prettier-ignore
    await writeFile(join(bench.root, 'addon.node'), '');
    expect(await error(`import addon from '../addon.node'; console.log(addon);`)).toMatchObject({ message: expect.stringContaining('is a native addon') as string }); // prettier-ignore
  });

  it('is checked by `plumbline validate`, with the parsers in TypeScript, at every place that is wrong', async () => {
    await bench.write({
      'plumbline.yaml': `${yaml('events: {}')}  letters: { path: data/*.txt, parse: parsers/letter.ts }
  gone: { path: data/*.txt, parse: parsers/gone.ts }
  empty: { type: plugin, module: sources/empty.ts }
`,
      'sources/events.ts': 'export default {\n  a: ]\n}',
      'sources/empty.ts': 'export const events = 1;',
      'parsers/letter.ts': `import { one } from './one.js';\n\nimport two from 'no-such-package';\nexport default () => [one, two];`,
    });
    const { stderr } = await promisify(execFile)(process.execPath, [CLI, 'validate'], { cwd: bench.root }).then(
      () => ({ stderr: 'valid' }),
      (error: unknown) => error as { stderr: string },
    );
    for (const problem of [
      /plumbline.yaml:9 \(PROJECT_FILE_MISSING\)\n {2}Reading parsers\/gone.ts failed/,
      /parsers\/letter.ts:1:21 \(PROJECT_PLUGIN_BUILD\)\n {2}Building parsers\/letter.ts failed: Could not resolve ".\/one.js"/,
      /parsers\/letter.ts:3:17 \(PROJECT_PLUGIN_BUILD\)/,
      /sources\/events.ts:2:6 \(PROJECT_PLUGIN_BUILD\)\n {2}Building sources\/events.ts failed: Unexpected "]"/,
      /sources\/empty.ts \(PROJECT_PLUGIN_BUILD\)\n {2}Building sources\/empty.ts failed: it has no default export/,
      /\n5 problems\n$/,
    ])
      expect(stripVTControlCharacters(stderr)).toMatch(problem);
  });

  it('is built as a parser is that is written in TypeScript', async () => {
    const letters = 'name: shop\nsources: { letters: { path: "data/*.txt", parse: parsers/letter.ts, columns: { letter: text, two: bigint }, max_rejected: 100%, write: append } }\n'; // prettier-ignore
    await bench.write({
      'plumbline.yaml': letters,
      'data/a.txt': 'a',
      'data/b.txt': 'b',
      'parsers/letter.ts': `import type { Parser } from 'plumbline';
import { double } from 'tiny-package';
import { check } from './check.js';
interface Row { letter: string; two: number }
const parse: Parser = function* (object): Generator<Row & Record<string, unknown>> {
  yield { letter: check(object.text()), two: double(1) };
};
export default parse;
`,
      'parsers/check.ts': `enum Refused { B = 'b' }

export function check(letter: string): string {
  if (letter === Refused.B) throw new Error('b is none of ours');
  return letter;
}
`,
    });
    const load = async () => {
      const { run, plan } = await open();
      const result = await bench.elt(run, plan);
      await bench.close(run);
      return result.loads[0]!;
    };
    expect(await load()).toMatchObject({ rowsLoaded: 1, rowsRejected: 1 });
    expect(await rows('letters', 'letter, two::int')).toEqual([{ letter: 'a', two: 2 }]);
    expect(
      await bench.test.database.query(
        `SELECT reason FROM plumbline.rejects JOIN plumbline.loads USING (load_id) WHERE loads.resource = 'letters'`,
      ),
    ).toEqual([{ reason: 'parsers/letter.ts: b is none of ours (check.ts:4)' }]);
    // Another one, by what it imports: the landed bytes are parsed again.
    await bench.write({ 'parsers/check.ts': 'export const check = (letter: string) => letter;' });
    expect(await load()).toMatchObject({ rowsLoaded: 2, rowsRejected: 0 });
  });

  it('can be an npm package', async () => {
    const folder = join(bench.root, 'node_modules', '@shop', 'source');
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, 'package.json'),
      '{ "name": "@shop/source", "type": "module", "exports": "./main.js" }',
    );
    await writeFile(join(folder, 'main.js'), 'export default { *shop() { yield { id: 1 }; } };');
    await bench.write({ 'plumbline.yaml': 'name: shop\nsources:\n  shop: { type: plugin, module: "@shop/source" }\n' });
    expect(existsSync(folder)).toBe(true);
    const { run } = await open();
    expect(await bench.call('extractResource', { run, resource: 'shop' })).toMatchObject({ objects: [{ path: '@shop/source shop#1' }] }); // prettier-ignore
    await bench.close(run);
  });

  it('has types for its author', () => {
    interface Config {
      readonly token: string;
    }
    const source = defineSource<Config, { since: string }>({
      async *issues({ config, state, checkpoint }) {
        expectTypeOf(config).toEqualTypeOf<Config>();
        expectTypeOf(state).toEqualTypeOf<{ since: string } | undefined>();
        await Promise.resolve();
        yield { id: 1n, at: new Date(), tags: ['a'], none: null };
        yield [{ id: 2 }];
        checkpoint({ since: 'now' });
        // @ts-expect-error -- a checkpoint has the form of the state
        checkpoint(5);
      },
    });
    // @ts-expect-error -- a row is an object
    defineSource({ *wrong() { yield 5; } }); // prettier-ignore
    expectTypeOf(source['issues']!).parameter(0).toEqualTypeOf<SourceContext<Config, { since: string }>>();
  });
});
