import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { sendJson } from '../../support/api-server.js';
import { useApiBench } from './api-bench.js';
import { startProcess, useCompiled } from './http-process.js';

const t = useApiBench();
const compiled = useCompiled();
const PAGES = 6;

const points = [
  'http.page-landed@3',
  'http.page-recorded@3',
  `http.page-recorded@${PAGES + 1}`,
  'load.after-copy',
  'replace.before-commit',
  'publish.after-commit',
];

test.each(points)('a process killed at %s: the next one goes on, with every row once', async (point) => {
  t.api.answer = (_request, response, url) => {
    const page = Number(url.searchParams.get('page'));
    sendJson(response, page <= PAGES ? [{ id: 2 * page }, { id: 2 * page + 1 }] : []);
  };
  const resource = t.resource({ pagination: { type: 'page', param: 'page', start: 1 } });
  const [name, at = '1'] = point.split('@');
  const killed = startProcess(compiled(), t.bench, resource, 'run-2', `${name}=kill@${at}`);
  await once(killed.child, 'exit');
  expect(killed.child.signalCode).toBe('SIGKILL');
  expect(await readFile(killed.log, 'utf8')).toBe(`${name}\n`);
  const asked = t.api.requests.length;
  const heir = startProcess(compiled(), t.bench, resource, 'run-2');
  expect(JSON.parse(await heir.output)).toMatchObject({ rows: 2 * PAGES, version: 1 });
  expect((await t.bench.rows(resource.table, 'id')).map(({ id }) => Number(id))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]); // prettier-ignore
  // At most the page in flight is asked for again.
  expect(t.api.requests.length).toBeLessThanOrEqual(PAGES + 2);
  expect(t.api.requests.length - asked).toBe(
    name === 'http.page-landed' ? PAGES + 2 - Number(at) : Math.max(PAGES + 1 - asked, 0),
  );
  expect(await t.bench.stages()).toEqual([]);
});
