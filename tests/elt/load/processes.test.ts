import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ResourceConfig } from '../../../src/model/project.js';
import { compileSource } from '../../setup/compiled-source.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

const ROWS = 2_000;

let bench: Workbench;
let compiled: string;
beforeAll(async () => {
  compiled = await compileSource(`test-build-${process.pid}`);
  bench = await openWorkbench();
}, 120_000);
afterAll(async () => {
  await bench.close();
  await rm(compiled, { recursive: true, force: true });
});

interface Writer {
  readonly child: ChildProcess;
  readonly output: Promise<string>;
  readonly log: string;
}

function startWriter(resource: ResourceConfig, runId: string, failpoint?: string): Writer {
  const log = join(bench.root, `${resource.id}.failpoints`);
  const settings = {
    url: bench.url,
    storeFolder: bench.storeFolder,
    root: bench.root,
    schemas,
    resource,
    runId,
    chunkRows: 500,
    // Of failpoints in a group's transactions; whoever takes over loads them so too.
    together: resource.id.includes('group'),
  };
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('load-writer.mjs', import.meta.url)), compiled, JSON.stringify(settings)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        // A killed writer leaves its temporary files; they go with the workbench.
        TMPDIR: bench.root,
        ...(failpoint !== undefined && { PLUMBLINE_FAILPOINTS: failpoint, PLUMBLINE_FAILPOINT_LOG: log }),
      },
    },
  );
  const output = (async () => {
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    return text;
  })();
  return { child, output, log };
}

/** ROWS rows in so many files, those of one file with two elements each, loaded once; then each of them is another. */
async function prepare(name: string, write: ResourceConfig['write'], files = 1): Promise<ResourceConfig> {
  const table = resourceOf({ id: name, source: name, table: name, path: `${name}/*`, write, primaryKey: ['id'] });
  // What has child tables shares no stage.
  const children = [{ field: 'items', table: `${name}_items`, columns: {} }];
  const resource = files === 1 ? { ...table, children } : table;
  await mkdir(join(bench.root, name));
  const rows = ROWS / files;
  const writeFiles = async (version: string): Promise<void> => {
    for (let file = 0; file < files; file++) {
      const lines = Array.from({ length: rows }, (_, row) => file * rows + row).map(
        (id) => `${id},${version}${id},"[""${version}"", ${id}]"`,
      );
      await writeFile(join(bench.root, name, `${file}.csv`), `id,v,items\n${lines.join('\n')}\n`);
    }
  };
  await writeFiles('a');
  await bench.run(resource);
  await writeFiles('b');
  return resource;
}

async function checkTable({ table: name, children }: ResourceConfig): Promise<void> {
  expect(
    await bench.database.query(
      `SELECT count(*)::int AS rows, md5(string_agg(id || v, ',' ORDER BY id)) = (SELECT md5(string_agg(i || 'b' || i, ',' ORDER BY i)) FROM generate_series(0, ${ROWS - 1}) AS i) AS same FROM demo_dev_raw."${name}"`,
    ),
  ).toEqual([{ rows: ROWS, same: true }]);
  if (children !== undefined)
    expect(
      await bench.database.query(
        `SELECT count(*)::int AS rows, count(*) FILTER (WHERE c.value IS DISTINCT FROM CASE c._index WHEN 0 THEN '"b"' ELSE to_jsonb(p.id) END)::int AS wrong
         FROM demo_dev_raw."${name}_items" c LEFT JOIN demo_dev_raw."${name}" p ON (c._parent_load_id, c._parent_row_number) = (p._load_id, p._row_number)`,
      ),
    ).toEqual([{ rows: 2 * ROWS, wrong: 0 }]);
  expect(await bench.stages()).toEqual([]);
  expect(
    await bench.database.query(
      'SELECT count(*)::int AS versions FROM plumbline.resource_versions WHERE resource = $1',
      [name],
    ),
  ).toEqual([{ versions: 2 }]);
}

const points = [
  'load.after-copy@2',
  'load.before-commit@2',
  'load.after-commit@2',
  'group.mid-copy@2',
  'group.before-commit@2',
  'children.before-commit@3',
  'children.staged',
  'publish.before-commit',
  'publish.after-commit',
  'replace.before-commit',
  'swap.before-commit',
];

test.each(points.map((point) => [point] as const))(
  'a process killed at %s: the next one finishes exactly',
  async (point) => {
    const [name, at] = point.split('@');
    const resource = await prepare(
      `kill_${name!.replaceAll(/\W/g, '_')}`,
      /^(swap|replace)/.test(name!) ? 'replace' : 'append',
      name!.startsWith('group') ? 4 : 1,
    );
    const killed = startWriter(resource, 'run-2', `${name}=kill${at === undefined ? '' : `@${at}`}`);
    await once(killed.child, 'exit');
    expect(killed.child.signalCode).toBe('SIGKILL');
    expect(await readFile(killed.log, 'utf8')).toBe(`${name}\n`);
    const heir = startWriter(resource, 'run-2');
    expect(JSON.parse(await heir.output)).toMatchObject({ rows: ROWS, version: 2 });
    await checkTable(resource);
  },
);

const frozenPoints = [
  ['load.after-copy@2', 'append'],
  ['load.before-commit@2', 'append'],
  ['group.before-commit@2', 'merge'],
  ['children.before-commit@3', 'merge'],
  ['publish.before-commit', 'merge'],
  ['replace.before-commit', 'replace'],
] as const;

test.each(frozenPoints)(
  'a process frozen at %s of %s: the next one finishes in 15 s, thawing changes nothing',
  async (point, write) => {
    const [name, at] = point.split('@');
    const files = name!.startsWith('group') ? 4 : 1;
    const resource = await prepare(`stop_${write}_${name!.replaceAll(/\W/g, '_')}`, write, files);
    const frozen = startWriter(resource, 'run-2', `${name}=stop${at === undefined ? '' : `@${at}`}`);
    try {
      while (!(await isStopped(frozen.child.pid!))) await sleep(50);
      const started = Date.now();
      const heir = startWriter(resource, 'run-2');
      expect(JSON.parse(await heir.output)).toMatchObject({ rows: ROWS, version: 2 });
      expect(Date.now() - started).toBeLessThan(15_000);
      await checkTable(resource);
    } finally {
      frozen.child.kill('SIGCONT');
    }
    expect(JSON.parse(await frozen.output)).toHaveProperty('code');
    await checkTable(resource);
  },
);

async function isStopped(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'state=', '-p', String(pid)]);
  return stdout.trim().startsWith('T');
}
