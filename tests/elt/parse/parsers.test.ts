import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseObjects } from '../../../src/elt/parse/parse-objects.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

/** A resource over `path`, whose parser is written as given; another `digest` is another parser. */
async function parsed(
  id: string,
  module: string,
  more: Partial<ResourceConfig> = {},
  digest = 'a',
): Promise<ResourceConfig> {
  const file = `parsers/${id}.mjs`;
  await bench.write(file, module);
  return resourceOf({ id, source: id, table: id, path: `${id}/*`, format: 'ndjson', parse: { file, digest }, ...more });
}

const code = (): { code: string } => ({ code: bench.root });
const rejects = (resource: string) =>
  bench.database.query(`SELECT r.reason, r.raw, r.row_number::int AS row FROM plumbline.rejects r JOIN plumbline.loads USING (load_id) WHERE resource = $1 ORDER BY 2`, [resource]); // prettier-ignore

test('values keep what they are, prints stay out, and no secret is seen', async () => {
  vi.stubEnv('SECRET_TOKEN', 's3cret');
  await bench.write('values/a.bin', new Uint8Array([0, 255, 10, 0]));
  const resource = await parsed(
    'values',
    `import { twice } from './helper.mjs';
     console.log('{"not": "a row"}');
     export default async function* (object) {
       process.stdout.write('nor this\\n');
       yield { big: 9007199254740993n, at: new Date(0), size: twice(object.bytes().length), list: [1, 'x'], name: object.name, none: undefined };
       yield { big: 2, secret: process.env.SECRET_TOKEN ?? 'unseen', late: true };
     }`,
    { columns: { never: 'numeric' } },
  );
  await bench.write('parsers/helper.mjs', 'export const twice = (number) => 2 * number;');
  const { loads } = await bench.run(resource, code());
  expect(loads[0]).toMatchObject({ rowsRead: 2, rowsLoaded: 2, rowsRejected: 0 });
  expect(await bench.rows('values', 'big::text, at::text, size::text, list, name, secret, late, never, pg_typeof(at)::text AS type')).toEqual([
    { big: '9007199254740993', at: '1970-01-01 00:00:00+00', size: '8', list: [1, 'x'], name: 'values/a.bin', secret: null, late: null, never: null, type: 'timestamp with time zone' },
    { big: '2', at: null, size: null, list: null, name: null, secret: 'unseen', late: true, never: null, type: 'timestamp with time zone' },
  ]); // prettier-ignore
});

test('an object that its parser refuses is quarantined as a whole, with the place in the module', async () => {
  for (const name of ['a', 'b', 'c']) await bench.write(`refused/${name}`, name);
  const resource = await parsed(
    'refused',
    `export default function* ({ text, name }) {
  yield { name };
  if (text() === 'b') throw new Error('b is no letter of ours');
  if (text() === 'c') yield { share: 0 / 0 };
}`,
    { maxRejectedShare: 1, columns: { name: 'text' } },
  );
  const { loads } = await bench.run(resource, code());
  expect(loads.map(({ rowsRead, rowsLoaded, rowsRejected }) => [rowsRead, rowsLoaded, rowsRejected])).toEqual([[1, 1, 0], [1, 0, 1], [1, 0, 1]]); // prettier-ignore
  expect(await rejects('refused')).toEqual([
    { row: 1, raw: 'refused/b', reason: 'parsers/refused.mjs: b is no letter of ours (refused.mjs:3)' },
    { row: 1, raw: 'refused/c', reason: 'parsers/refused.mjs: row 2: share is NaN, expected a finite number or null' },
  ]);
});

test('another parser loads the same bytes anew, and an object without rows is none', async () => {
  await bench.write('again/a', 'a');
  const options = { columns: { n: 'bigint' } } as const;
  const parser = (n: string): string => `export default function* () { ${n} }`;
  await bench.run(await parsed('again', parser('yield { n: 1 };'), options), code());
  const same = await bench.run(await parsed('again', parser('yield { n: 1 };'), options), code());
  const other = await bench.run(await parsed('again', parser(''), { ...options, allowEmpty: true }, 'b'), code());
  expect([same, other].map(({ loads }) => loads[0]?.status)).toEqual(['already_loaded', 'staged']);
  expect(await bench.rows('again')).toEqual([]);
});

test.each([
  ['throws while it is loaded', `throw new Error('no such thing');`, 'ELT_PARSER_FAILED', /ended with code 1 .*no such thing/],
  ['has no default export', `export const parse = 1;`, 'ELT_PARSER_FAILED', /no default export/],
  ['leaves in the middle', `export default function* () { process.exit(0); }`, 'ELT_PARSER_FAILED', /ended with code 0 at broken\/a/],
  ['is killed', `export default function* () { process.kill(process.pid, 'SIGKILL'); while (true); }`, 'ELT_PARSER_FAILED', /ended with SIGKILL/],
  ['gives nothing, and nothing is declared', `export default () => [];`, 'ELT_PARSER_FAILED', /gave no row/],
  ['returns no rows', `export default () => ({});`, 'ELT_PARSER_FAILED', /refused 1, .*one after the other/],
])('a parser that %s ends the load', async (_what, module, error, message) => {
  await bench.write('broken/a', 'a');
  const resource = await parsed('broken', module);
  await expect(bench.stage(resource, code())).rejects.toMatchObject({ code: error, message: expect.stringMatching(message) as string }); // prettier-ignore
}); // prettier-ignore

test('a parser that hangs is ended, with all that it started', async () => {
  const { parse } = await parsed('hangs', `export default function* () { while (true); }`);
  const work = parseObjects({
    ...code(),
    resource: resourceOf({ path: 'x', parse: parse! }),
    file: 'x',
    jobs: [{ name: 'x', path: '/dev/null', columns: [] }],
    rowsFile: `${bench.root}/rows.ndjson`,
    environment: process.env,
    timeoutMs: 1_000,
  });
  await expect(work).rejects.toMatchObject({ code: 'ELT_PARSER_STUCK', terminal: true });
});

test('objects by the thousand go through one process, in their order', async () => {
  const { parse } = await parsed(
    'many',
    `export default function* ({ name, columns }) { yield { name, pid: process.pid, at: columns.at }; }`,
  );
  const jobs = Array.from({ length: 2_000 }, (_, index) => ({
    name: `https://example.org/${'x'.repeat(100)}/${index}`,
    path: '/dev/null',
    columns: [['"at"', String(index)], ['"file"', `"${'y'.repeat(100)}"`]] as const,
  })); // prettier-ignore
  const rowsFile = `${bench.root}/many.ndjson`;
  const { refused } = await parseObjects({ ...code(), resource: resourceOf({ path: 'x', parse: parse! }), file: 'x', jobs, rowsFile, environment: process.env }); // prettier-ignore
  const rows = (await readFile(rowsFile, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as { at: number; pid: number; file: string }); // prettier-ignore
  expect(refused.size).toBe(0);
  expect(rows.map(({ at }) => at)).toEqual(jobs.map((_, index) => index));
  expect(new Set(rows.map(({ pid, file }) => `${pid} ${file.length}`)).size).toBe(1);
});

test('going on with other rows than before is refused; the next run begins anew', async () => {
  await bench.write('chance/a', 'a');
  const module = (last: number): string =>
    `export default function* () { for (let n = 1; n <= ${last}; n++) yield { n }; }`;
  const cut = new AbortController();
  const resource = await parsed('chance', module(4));
  const stopped = bench.stage(resource, { ...code(), chunkRows: 2, signal: cut.signal, onProgress: () => cut.abort() });
  await expect(stopped).rejects.toThrow();
  const other = await parsed('chance', module(5));
  await expect(bench.stage(other, code())).rejects.toMatchObject({ code: 'ELT_PARSER_UNSTABLE' });
  await bench.run(other, code());
  expect(await bench.rows('chance', 'n::int')).toHaveLength(5);
});

test.each([
  ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]>', '', /document type/],
  ['an entity nobody named', '', '<nameOfIssuer>&passwd;</nameOfIssuer>', /broken/],
  ['a depth that no form has', '', '<a>'.repeat(40), /deeper than 32/],
])('the parser of the 13F example refuses %s', async (_what, head, body, message) => {
  const path = new URL('../../../examples/sec-13f/parsers/holdings.mjs', import.meta.url).pathname;
  const { default: holdings } = (await import(path)) as { default: (object: object) => Iterable<unknown> };
  const xml = Buffer.from(
    `\n<?xml version="1.0"?>${head}<n:informationTable xmlns:n="urn:x"><n:infoTable>${body}</n:infoTable></n:informationTable>`,
  );
  expect(() => [...holdings({ bytes: () => xml })]).toThrow(message);
});
