import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spoolMembers } from '../../../src/elt/read/spool-members.js';

/** Read by one thread, a file larger than DuckDB's memory would end early; by several, a value with a line end might be cut. */
test('only rows with a line end in a value are read by one thread', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-spool-'));
  const relation = async (value: string): Promise<string> => {
    const spooled = await spoolMembers(
      folder,
      ['a'],
      async ({ onRow, onChunk }) => {
        onRow?.([{ key: 'a', kind: 'string', source: JSON.stringify(value) }]);
        await onChunk?.();
      },
      ({ source }) => JSON.parse(source) as string,
    );
    return spooled.relation;
  };
  try {
    expect(await relation('one "line", whole')).toContain('parallel = true');
    expect(await relation('one\ntwo')).toContain('parallel = false');
    expect(await relation('one\rtwo')).toContain('parallel = false');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
