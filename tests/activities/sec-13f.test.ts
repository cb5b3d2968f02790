import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EltResult } from '../../src/contracts/elt.js';
import { trace } from '../../src/client/trace.js';
import { renderSteps } from '../../src/cli/render-run.js';
import { listSteps } from '../../src/storage/run-steps.js';
import { createWorkbench, type Workbench } from './workbench.js';

const example = new URL('../../examples/sec-13f', import.meta.url).pathname;

interface Edgar {
  readonly url: string;
  readonly log: { path: string; status: number; atMs: number; agent: string | undefined }[];
  close(): Promise<void>;
}
type StartEdgar = (faults: Partial<Record<'cut' | 'slow' | 'busy', Record<string, number>>>) => Promise<Edgar>;
const { startEdgar } = (await import(`${example}/edgar/server.mjs`)) as { startEdgar: StartEdgar };

const CUT = '0001434845-17-000004.txt';
const GONE = '0001760076-20-000004.txt';
interface Submissions {
  readonly readSubmission: (bytes: Buffer) => { readonly documents: readonly unknown[] };
  readonly xmlOf: (document: unknown) => string | undefined;
}
let bench: Workbench;
let edgar: Edgar;
let first: EltResult;

beforeAll(async () => {
  edgar = await startEdgar({ cut: { [CUT]: 1 }, busy: { 'QTR3/form.idx': 1 } });
  const files: Record<string, string> = {};
  for (const folder of ['.', 'inventory', 'parsers', 'schemas', 'seeds', 'sql'])
    for (const entry of await readdir(join(example, folder), { withFileTypes: true }))
      if (entry.isFile()) files[join(folder, entry.name)] = await readFile(join(example, folder, entry.name), 'utf8');
  files['plumbline.yaml'] = files['plumbline.yaml']!.replaceAll('http://127.0.0.1:8013', edgar.url);
  bench = await createWorkbench(files);
  first = await run('run-1');
}, 240_000);
afterAll(async () => {
  await bench.destroy();
  await edgar.close();
});

async function run(runId: string): Promise<EltResult> {
  const { run, plan } = await bench.open(runId, ['elt'], { project: 'sec-13f' });
  const result = await bench.elt(run, plan);
  await bench.close(run);
  return result;
}

/** One row, its numbers as JSON has them; `raw.` and `main.` stand for the schemas. */
async function one(select: string): Promise<unknown> {
  const sql = select.replaceAll('raw.', 'sec_13f_dev_raw.').replaceAll('main.', 'sec_13f_dev.');
  const [row] = await bench.test.database.query(`SELECT to_jsonb(q) AS row FROM (${sql}) AS q`);
  return row?.['row'];
}

it('prints what expected.txt says', async () => {
  const steps = renderSteps(await listSteps(bench.test.database, 'run-1'));
  // eslint-disable-next-line no-control-regex -- colours
  const lines = steps.flatMap(({ line }) => line.replaceAll(/\u001b\[\d+m/g, '').split('\n'));
  const printed = lines.map((line) => line.replace(/\s+[\d.]+ m?s$/, '').replace(edgar.url, 'http://127.0.0.1:8013'));
  expect(`${printed.join('\n')}\n`).toBe(await readFile(join(example, 'expected.txt'), 'utf8'));
});

it('loads the seven tables of the data set, every row', async () => {
  const tables = first.loads.filter(({ resource }) => resource.startsWith('dataset.'));
  expect(tables.map(({ resource, tableRows, rowsRejected }) => [resource.slice(8), tableRows, rowsRejected])).toEqual([
    ['submission', 166, 0],
    ['coverpage', 166, 0],
    ['signature', 166, 0],
    ['summarypage', 141, 0],
    ['othermanager', 47, 0],
    ['othermanager2', 179, 0],
    ['infotable', 87_715, 0],
  ]);
  expect(
    await one(`SELECT count(*) FILTER (WHERE "SUBMISSIONTYPE" = '13F-HR') AS hr, count(*) FILTER (WHERE "SUBMISSIONTYPE" = '13F-HR/A') AS hra,
      count(*) FILTER (WHERE "SUBMISSIONTYPE" = '13F-NT') AS nt, count(*) FILTER (WHERE "SUBMISSIONTYPE" = '13F-NT/A') AS nta,
      count(DISTINCT "CIK") AS ciks, count(DISTINCT "PERIODOFREPORT") AS periods FROM raw.dataset_submission`),
  ).toEqual({ hr: 83, hra: 58, nt: 21, nta: 4, ciks: 95, periods: 15 });
  expect(
    await one(`SELECT count(*) FILTER (WHERE "SSHPRNAMTTYPE" = 'SH') AS sh, count(*) FILTER (WHERE "SSHPRNAMTTYPE" = 'PRN') AS prn,
      count(*) FILTER (WHERE "PUTCALL" = 'Call') AS call, count(*) FILTER (WHERE "PUTCALL" = 'Put') AS put,
      count(*) FILTER (WHERE "INVESTMENTDISCRETION" = 'DFND') AS dfnd, count(*) FILTER (WHERE "INVESTMENTDISCRETION" = 'SOLE') AS sole,
      count(*) FILTER (WHERE "INVESTMENTDISCRETION" = 'OTR') AS otr, sum("VALUE") AS value, sum("SSHPRNAMT") AS shares,
      count(DISTINCT "ACCESSION_NUMBER") AS submissions FROM raw.dataset_infotable`),
  ).toEqual({ sh: 86_533, prn: 1_182, call: 5_475, put: 5_315, dfnd: 64_165, sole: 19_760, otr: 3_790, value: 2_338_624_275, shares: 47_172_281_178, submissions: 141 }); // prettier-ignore
  expect(
    await one(`SELECT count(*) FILTER (WHERE "CUSIP" <> upper("CUSIP")) AS lower, count(DISTINCT "CUSIP") AS cusips,
      count(*) FILTER (WHERE "VALUE" = 0) AS zero, count(*) FILTER (WHERE "SSHPRNAMT" = 0) AS none,
      count(*) FILTER (WHERE "NAMEOFISSUER" <> trim("NAMEOFISSUER")) AS blanks, count(*) FILTER (WHERE "NAMEOFISSUER" LIKE '%"%') AS quotes
      FROM raw.dataset_infotable`),
  ).toEqual({ lower: 298, cusips: 6_606, zero: 372, none: 14, blanks: 112, quotes: 3 });
});

it('reads indexes of every form, and each filing of either era', async () => {
  const rows = await bench.test.database.query<{ index_file: string; rows: number }>(
    `SELECT index_file, count(*)::int AS rows FROM sec_13f_dev_raw.edgar_index GROUP BY 1 ORDER BY 1`,
  );
  const counts = Object.fromEntries(rows.map((row) => [row.index_file, row.rows]));
  expect(counts).toMatchObject({
    'edgar/daily-index/2020/QTR1/form.20200318.idx': 4_084,
    'edgar/daily-index/2022/QTR4/company.20221003.idx': 4_925,
    'edgar/full-index/2021/QTR1/form.idx': 10,
  });
  expect(counts).not.toHaveProperty(['edgar/daily-index/2025/QTR1/form.20250329.idx']);
  expect(
    await one(`SELECT count(*) FILTER (WHERE index_file LIKE '%form.20200318%') AS form, count(*) FILTER (WHERE index_file LIKE '%company%') AS company
      FROM raw.edgar_index WHERE form_type LIKE '13F-%' AND kind = 'daily' AND date_filed >= '2020-03-18' AND company <> '' AND cik > 0`),
  ).toEqual({ form: 2, company: 30 });
  const filings = await bench.test.database.query(
    `SELECT accession, count(*)::int AS entries, sum(value)::float8 AS value, (sum(value_usd) / sum(value))::int AS unit
     FROM sec_13f_dev.holdings JOIN sec_13f_dev.filings USING (accession) WHERE origin = 'filing' GROUP BY 1 ORDER BY 1`,
  );
  expect(filings.map(Object.values)).toEqual([
    ['0000902664-11-001302', 27, 1_981_962, 1_000],
    ['0001092838-12-000004', 51, 701_378, 1_000],
    ['0001092838-17-000003', 32, 255_524, 1_000],
    ['0001178913-18-001251', 27, 1_415_685, 1_000],
    ['0001434845-17-000004', 121, 316_772, 1_000],
    ['0001894188-23-000007', 14, 454_926_000, 1],
    ['0001951757-25-000093', 77, 194_611_845, 1],
    ['13F-HR.infotable', 255, 350_153_407, 1],
    ['information_table', 169, 7_454_702_899, 1],
  ]);
  expect(await one(`SELECT count(*) FILTER (WHERE issuer ~* '&(amp|lt|gt);') AS escaped FROM main.holdings`)).toEqual({ escaped: 0 }); // prettier-ignore
});

it('checks the totals that filers state, and applies their amendments', async () => {
  const warnings = first.transforms.flatMap(({ warnings = [] }) => warnings.map(({ failures }) => failures));
  // 4 and 38 of the data set, and one filing of 2018.
  expect(warnings).toEqual([4, 39]);
  expect(
    await one(`SELECT count(*) FILTER (WHERE difference = 0) AS same, count(*) FILTER (WHERE abs(difference) BETWEEN 1 AND 50) AS rounded,
      count(*) FILTER (WHERE abs(difference) > 50) AS other FROM main.control_totals JOIN main.filings USING (accession) WHERE origin = 'data set'`),
  ).toEqual({ same: 103, rounded: 32, other: 6 });
  expect(
    await one(`SELECT difference, entries_stated, entries_found FROM main.control_totals WHERE accession = '0001278573-13-000003'`),
  ).toEqual({ difference: 832_671, entries_stated: 99, entries_found: 198 }); // prettier-ignore
  expect(
    await one(`SELECT count(*) FILTER (WHERE amendment_type = 'RESTATEMENT') AS restated, count(*) FILTER (WHERE amendment_type = 'NEW HOLDINGS') AS added
      FROM main.filings WHERE entries_stated IS NOT NULL AND origin = 'data set'`),
  ).toEqual({ restated: 30, added: 28 });
  // Nothing counts twice: of a report and its restatements one is in, of additions those that came later.
  expect(
    await one(`SELECT count(*) AS wrong FROM (SELECT cik, period FROM main.portfolios JOIN main.filings USING (accession, cik, period)
      WHERE amendment_type IS DISTINCT FROM 'NEW HOLDINGS' GROUP BY 1, 2 HAVING count(DISTINCT accession) > 1) AS twice`),
  ).toEqual({ wrong: 0 });
});

it('says who asks, never too fast, and fetches an object once', async () => {
  expect(edgar.log.every(({ agent }) => agent === 'Example Company data@example.com')).toBe(true);
  const times = edgar.log.map(({ atMs }) => atMs);
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length));
  expect(most).toBeLessThanOrEqual(10);
  const asked = edgar.log.map(({ path }) => path.split('/').slice(-3).join('/'));
  const twice = [...new Set(asked.filter((path, index) => asked.indexOf(path) !== index))].sort();
  // The one that was cut, the one that was busy, the archive of seven tables that came once; no 429 in between, and two tables share what is fetched.
  expect(twice).toEqual(['2011/QTR3/form.idx', `data/1434845/${CUT}`, 'data/form-13f-data-sets/2013q2_form13f.zip']);
  const unusual = edgar.log.map(({ status }) => status).filter((status) => status !== 200);
  expect(unusual.sort()).toEqual([304, 304, 304, 304, 304, 304, 404, 503]);
  const filings = first.loads.find(({ resource }) => resource === 'edgar.filings');
  expect(filings?.inventory).toMatchObject({ expected: 10, fetched: 9, missing: 1 });
  expect(filings?.inventory?.firstMissing[0]).toContain(GONE);
});

it('leads from a table to the SHA-256 of each filing, and from a filing to what it is in', async () => {
  const scope = { database: bench.test.database, env: 'dev', project: 'sec-13f' };
  const [batch] = (await trace(scope, 'edgar.holdings')).from;
  expect(batch).toMatchObject({ name: 'inventory/filings.sql#1' });
  expect(batch?.from).toHaveLength(9);
  const filing = batch!.from.find(({ name }) => name.endsWith(CUT))!;
  const back = await trace(scope, filing.facts['sha256']!);
  expect(back).toMatchObject({ kind: 'raw object', name: filing.name });
  expect(back.from.map(({ name }) => name).sort()).toEqual(['edgar.filings', 'edgar.holdings']);
});

it('asks again for the gaps alone, and for nothing when a parser changes', async () => {
  const before = edgar.log.length;
  const parser = await readFile(join(bench.root, 'parsers/holdings.mjs'), 'utf8');
  await bench.write({ 'parsers/holdings.mjs': parser.replace('line: ++line', 'era: 1, line: ++line') });
  const planned = await bench.call('explainPlan', { run: await bench.ref('run-2', { project: 'sec-13f' }) });
  const reasons = planned.lines.filter(({ step }) => step.startsWith('load:edgar.')).map(({ reason }) => reason);
  expect(reasons).toEqual(['unchanged', 'unchanged; asks again for 1 of 10 objects', 'changed: parsers/holdings.mjs']); // prettier-ignore
  const second = await run('run-2');
  const asked = edgar.log.slice(before).filter(({ status }) => status !== 304);
  expect(asked.map(({ path }) => path)).toEqual([`/Archives/edgar/data/1760076/${GONE}`]);
  const loads = await bench.test.database.query(
    `SELECT resource, count(*)::int AS loads FROM plumbline.loads WHERE resource LIKE 'edgar.%' GROUP BY 1 ORDER BY 1`,
  );
  expect(loads.map(Object.values)).toEqual([['edgar.filings', 1], ['edgar.holdings', 2], ['edgar.index', 1]]); // prettier-ignore
  expect(second.loads.find(({ resource }) => resource === 'edgar.holdings')?.tableRows).toBe(773);
  expect(await one('SELECT sum(era) AS eras FROM raw.edgar_holdings')).toEqual({ eras: 773 });
}, 120_000);

it("finds every submission of the era of XML valid by the SEC's schemas, and quarantines one that is not", async () => {
  const { readSubmission, xmlOf } = (await import(`${example}/parsers/submission.mjs`)) as Submissions;
  const archives = join(example, 'edgar/Archives/edgar');
  const found: Record<string, number> = {};
  for (const file of await readdir(archives, { recursive: true })) {
    if (!/^(data|samples)\/.*\.gz$/.test(file)) continue;
    const { documents } = readSubmission(gunzipSync(await readFile(join(archives, file))));
    found[basename(file, '.gz')] = documents.filter((document) => xmlOf(document) !== undefined).length;
  }
  expect(found).toEqual({
    '0000902664-11-001302.txt': 0,
    '0001092838-12-000004.txt': 0,
    '0001092838-17-000003.txt': 2,
    '0001178913-18-001251.txt': 2,
    '0001434845-17-000004.txt': 2,
    '0001894188-23-000007.txt': 2,
    '0001951757-25-000093.nc': 2,
    '13F-HR.infotable.xml': 1,
    'information_table.xml': 1,
  });

  const valid = gunzipSync(await readFile(join(archives, 'data/1092838/0001092838-17-000003.txt.gz'))).toString();
  const cusips = [...valid.matchAll(/<cusip>\w+</g)];
  const broken = valid.replace(cusips[1]![0], '<cusip>12<').replace('<value>', '<value>-');
  await mkdir(join(bench.root, 'data'));
  await writeFile(join(bench.root, 'data/valid.txt'), valid);
  await writeFile(join(bench.root, 'data/broken.txt'), broken);
  const yaml = await readFile(join(bench.root, 'plumbline.yaml'), 'utf8');
  const local = `sources:\n  local: { path: "data/*.txt", parse: parsers/holdings.mjs, write: append, max_rejected: 100%, columns: { value: bigint, cusip: text } }\n`;
  await bench.write({ 'plumbline.yaml': yaml.replace('sources:\n', local) });
  const { run } = await bench.open('run-local', ['elt'], { project: 'sec-13f' });
  const resource = 'local';
  const { objects } = await bench.call('extractResource', { run, resource });
  const loads = [];
  for (const object of objects) loads.push(await bench.call('loadObject', { run, resource, object }));
  await bench.close(run);
  expect(loads.map(({ rowsLoaded, rowsRejected }) => [rowsLoaded, rowsRejected])).toEqual([[0, 1], [32, 0]]); // prettier-ignore
  const lineOf = (text: string): number => broken.slice(0, broken.indexOf(text)).split('\n').length;
  const [rejected] = await bench.test.database.query<{ reason: string; raw: string }>('SELECT reason, raw FROM plumbline.rejects'); // prettier-ignore
  expect(rejected?.raw).toBe('data/broken.txt');
  for (const text of [
    `line ${lineOf('<value>-')}: Element 'value': `,
    `line ${lineOf('<cusip>12')}: Element 'cusip': `,
  ])
    expect(rejected?.reason).toContain(text);
});
