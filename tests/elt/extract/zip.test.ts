import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashFiles } from '../../../src/elt/extract/hash-files.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { zip } from '../../support/zip.js';
import { openWorkbench, resourceOf, type Workbench } from '../load/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());

async function run(name: string, content: Buffer, options: Partial<ResourceConfig> = {}) {
  const table = name.replaceAll(/\W/g, '_');
  await bench.write(name, content);
  return bench.run(resourceOf({ id: table, source: table, table, path: name, ...options }));
}

describe('zip', () => {
  test('the one file of an archive needs no name', async () => {
    const { loads } = await run('one.zip', zip([{ name: 'in/', content: '' }, { name: 'in/a.csv', content: 'id,v\n1,x\n' }])); // prettier-ignore
    expect(loads).toMatchObject([{ path: 'one.zip!in/a.csv', rowsLoaded: 1 }]);
  });

  test('each member that matches is an object of its own, packed or not', async () => {
    const archive = zip([
      { name: 'b.csv', content: 'id,v\n2,y\n' },
      { name: 'README.txt', content: 'read me' },
      { name: 'a.csv.gz', content: gzipSync('id,v\n1,x\n') },
      { name: 'deep/c.csv', content: 'id,v\n3,z\n' },
    ]);
    const { loads } = await run('many.zip', archive, { member: '*.{csv,csv.gz}', write: 'append' });
    expect(loads.map(({ path }) => path)).toEqual(['many.zip!a.csv.gz', 'many.zip!b.csv']);
    expect((await bench.rows('many_zip', 'id, v')).map((row) => row)).toEqual([{ id: '1', v: 'x' }, { id: '2', v: 'y' }]); // prettier-ignore
  });

  test('a member that is the same in a new archive is not loaded again', async () => {
    const options = { member: '**/*.csv', write: 'append' } as const;
    const first = { name: 'd/1.csv', content: 'id\n1\n' };
    await run('grown.zip', zip([first]), options);
    const { loads, published } = await run('grown.zip', zip([first, { name: 'd/2.csv', content: 'id\n2\n' }]), options);
    expect(loads.map(({ status }) => status)).toEqual(['already_loaded', 'staged']);
    expect(published.rows).toBe(2);
  });

  test('`plan` sees the objects that an extract gives', async () => {
    const { loads } = await run('seen.zip', zip([{ name: 'a.csv', content: 'id\n1\n' }]));
    const resource = resourceOf({ path: 'seen.zip' });
    expect(await hashFiles(bench.root, resource)).toEqual(loads.map(({ path, sha256 }) => ({ path, sha256 })));
  });

  const a = { name: 'a.csv', content: 'id,v\n1,x\n' };
  const refused: readonly (readonly [string, Buffer, Partial<ResourceConfig>, string])[] = [
    ['a name that leaves the archive', zip([a, { name: '../a.csv', content: 'id\n1\n' }]), { member: '*.csv' }, 'ELT_ZIP_BROKEN'],
    ['a name that stands there twice', zip([a, { name: 'b.csv', content: 'id\n1\n' }, { ...a, content: 'id\n2\n' }]), { member: '*.csv' }, 'ELT_ZIP_BROKEN'],
    ['an absolute name', zip([{ name: '/etc/a.csv', content: 'id\n1\n' }]), {}, 'ELT_ZIP_BROKEN'],
    ['a symbolic link', zip([{ name: 'a.csv', content: '/etc/passwd', mode: 0o120777 }]), {}, 'ELT_ZIP_BROKEN'],
    ['an encrypted member', zip([{ ...a, flags: 1 }]), {}, 'ELT_ZIP_BROKEN'],
    ['a wrong checksum', zip([{ ...a, checksum: 5 }]), {}, 'ELT_ZIP_BROKEN'],
    ['a member longer than it says', zip([{ ...a, size: 3 }]), {}, 'ELT_ZIP_BROKEN'],
    ['an archive cut short', zip([a]).subarray(0, 60), {}, 'ELT_ZIP_BROKEN'],
    ['text named .zip', Buffer.from('id,v\n1,x\n'), {}, 'ELT_ZIP_BROKEN'],
    ['several files and no member', zip([a, { ...a, name: 'b.csv' }]), {}, 'ELT_ZIP_MEMBER'],
    ['no file that matches', zip([a]), { member: '*.parquet' }, 'ELT_ZIP_MEMBER'],
    ['an empty member', zip([{ name: 'a.csv', content: '' }]), {}, 'ELT_FILE_EMPTY'],
    ['a bomb', zip([{ name: 'a.csv', content: Buffer.alloc(80 << 20, 'a') }]), {}, 'ELT_FILE_BOMB'],
    ['many members that are one bomb together', zip(Array.from({ length: 3 }, (_, index) => ({ name: `${index}.csv`, content: Buffer.alloc(30 << 20, 'a') }))), { member: '*.csv' }, 'ELT_FILE_BOMB'],
  ]; // prettier-ignore
  test.each(refused)('refuses %s', async (title, content, options, code) => {
    const name = `${title.replaceAll(' ', '-')}.zip`;
    await expect(run(name, content, options)).rejects.toMatchObject({ code, terminal: true });
    expect(await bench.stages()).toEqual([]);
  });

  test('an archive that changed while it was read is read again', async () => {
    await run('moving.zip', zip([a]), {});
    await writeFile(join(bench.root, 'moving.zip'), zip([{ ...a, content: 'id,v\n2,y\n' }]));
    const { loads } = await bench.run(resourceOf({ id: 'moving_zip', table: 'moving_zip', path: 'moving.zip' }));
    expect(loads).toMatchObject([{ status: 'staged', rowsLoaded: 1 }]);
  });
});

test('a gzip bomb is stopped', async () => {
  const header = Buffer.from('id,v\n');
  await expect(
    run('bomb.csv.gz', gzipSync(Buffer.concat([header, Buffer.alloc(90 << 20, '1,aaaaaaa\n')]))),
  ).rejects.toMatchObject({ code: 'ELT_FILE_BOMB', terminal: true });
});
