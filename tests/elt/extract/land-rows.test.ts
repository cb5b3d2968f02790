import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moveCheckpoint, readCheckpoint } from '../../../src/elt/cursor/checkpoint-state.js';
import { landedExtract, pagesOf } from '../../../src/elt/extract/extract-progress.js';
import { openLanding, type Landing, type LandingOptions } from '../../../src/elt/extract/land-rows.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => void (bench = await openWorkbench()));
afterAll(() => bench.close());

let count = 0;
let id = '';
beforeEach(() => (id = `events_${++count}`));

function open(options: Partial<LandingOptions> & { write?: 'append' | 'merge' | 'replace' } = {}): Promise<Landing> {
  const { write = 'merge', ...more } = options;
  return openLanding({
    database: bench.database,
    store: bench.store,
    env: 'dev',
    project: 'demo',
    resource: { ...resourceOf({ path: '' }), id, source: id, write },
    runId: 'run-1',
    origin: 'events.py',
    settings: 'v1',
    landEveryMs: 0,
    ...more,
  });
}

async function add(landing: Landing, ...ids: number[]): Promise<void> {
  for (const one of ids) await landing.addRow(Buffer.from(`{"id":${one}}`));
}

async function landedRows(landing: Pick<Landing, 'extractId'>): Promise<string> {
  const pages = await pagesOf(bench.database, landing.extractId);
  const contents = pages.map(async ({ sha256 }) => (sha256 === null ? '' : String(await bench.store.read(sha256))));
  return (await Promise.all(contents)).join('').replaceAll(/\D+/g, ' ').trim();
}

const key = () => ({ env: 'dev', project: 'demo', resource: id });

describe('openLanding', () => {
  it('goes on behind the last checkpoint, and rows behind it come again', async () => {
    const first = await open();
    expect(first.checkpoint).toBeUndefined();
    await add(first, 1, 2);
    await first.addCheckpoint('{"after": 2}');
    await add(first, 3);
    // Killed here. Another run's attempt takes it over.
    const second = await open({ runId: 'run-2' });
    expect(second).toMatchObject({ extractId: first.extractId, checkpoint: '{"after": 2}', isComplete: false });
    await add(second, 3, 4);
    await second.addCheckpoint('{"after": 4}');
    const landed = await second.complete();
    expect(landed).toMatchObject({ rows: 4, objects: [{ path: `events.py@${first.extractId}#1` }] });
    expect(await landedRows(second)).toBe('1 2 3 4');
    expect(await landedExtract(bench.database, landed.extractId, undefined)).toMatchObject({
      checkpoint: '{"after": 4}',
    });
    const again = await open({ runId: 'run-2' });
    expect(again.isComplete).toBe(true);
    expect(await again.complete()).toMatchObject({ extractId: landed.extractId, rows: 4 });
  });

  it('lands a page as soon as it is full, with the rows of a checkpoint first', async () => {
    const landing = await open({ landEveryMs: 1e9, pageBytes: 20 });
    await add(landing, 1);
    await landing.addCheckpoint('1');
    await add(landing, 2, 3, 4, 5, 6, 7);
    await landing.addCheckpoint('7');
    await add(landing, 8);
    await landing.keep();
    expect((await open()).checkpoint).toBe('7');
    expect(await landedRows(landing)).toBe('1 2 3 4 5 6 7');
  });

  it('keeps a checkpoint without rows, and every digit of one', async () => {
    const landing = await open();
    await landing.addCheckpoint('{"id":9007199254740993}');
    await landing.complete();
    const { checkpoint } = await landedExtract(bench.database, landing.extractId, undefined);
    expect(checkpoint).toBe('{"id":9007199254740993}');
  });

  it('lets one of two attempts land, and none after the end', async () => {
    const [one, other] = [await open(), await open()];
    await add(one, 1);
    await add(other, 1);
    await one.addCheckpoint('1');
    await expect(other.addCheckpoint('1')).rejects.toMatchObject({ code: 'ELT_LOAD_FENCED' });
    const late = await open();
    await one.complete();
    await add(late, 2);
    await expect(late.addCheckpoint('2')).rejects.toMatchObject({ code: 'ELT_LOAD_FENCED' });
    expect(await landedRows(one)).toBe('1');
  });

  it('begins anew with other code, with --force, and always for replace; else where the rows were published', async () => {
    await bench.database.transaction((session) => moveCheckpoint(session, key(), { from: undefined, to: '"a"' }));
    const landing = await open();
    expect(landing.checkpoint).toBe('"a"');
    await add(landing, 1);
    await landing.addCheckpoint('"b"');
    expect((await open()).checkpoint).toBe('"b"');
    expect((await open({ settings: 'v2' })).checkpoint).toBe('"a"');
    expect((await open({ full: true, force: true, runId: 'run-2' })).checkpoint).toBeUndefined();
    expect((await open({ write: 'replace' })).checkpoint).toBeUndefined();
  });

  it('moves a checkpoint only from where the rows were asked from', async () => {
    const move = (from: string | undefined, to: string) =>
      bench.database.transaction((session) => moveCheckpoint(session, key(), { from, to }));
    await move(undefined, '1');
    await move('1', '2');
    await expect(move('1', '3')).rejects.toMatchObject({ code: 'ELT_LOAD_FENCED' });
    expect(await readCheckpoint(bench.database, key())).toBe('2');
  });

  it('refuses rows of an append behind the last checkpoint, and a checkpoint that is none', async () => {
    const append = await open({ write: 'append' });
    await add(append, 1);
    await append.addCheckpoint('1');
    await add(append, 2);
    await expect(append.complete()).rejects.toMatchObject({ code: 'ELT_CHECKPOINT_MISSING', details: { rows: 1 } });
    await expect(append.addCheckpoint('{')).rejects.toMatchObject({ code: 'ELT_CHECKPOINT_INVALID' });
    await expect(append.addCheckpoint(`"${'x'.repeat(65_536)}"`)).rejects.toMatchObject({
      code: 'ELT_CHECKPOINT_INVALID',
    });
  });
});
