import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { bundleDigest, contentHash } from '../../src/project/bundle-digest.js';
import { codeDigest } from '../../src/project/code-digest.js';
import { packBundle } from '../../src/project/pack-bundle.js';
import { unpackBundle } from '../../src/project/unpack-bundle.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { small, temporaryFolder, writeProject } from './write-project.js';

const example = new URL('../../examples/bike-demand', import.meta.url).pathname;

async function packed(files: Readonly<Record<string, string | Uint8Array>>) {
  const root = await writeProject(files);
  const store = openDirectoryStore(await temporaryFolder());
  return { root, store, bundle: await packBundle({ root, store }) };
}

describe('packBundle', () => {
  it('takes the code of the example and leaves its data out', async () => {
    const store = openDirectoryStore(await temporaryFolder());
    const { files, artifact } = await packBundle({ root: example, store });
    expect(Object.keys(files)).toEqual([
      'README.md',
      'data/LICENSE.md',
      'features/calendar.sql',
      'features/demand_lags.sql',
      'features/weather.sql',
      'labels.sql',
      'plumbline.yaml',
      'sql/demand.sql',
    ]);
    expect(artifact.bytes).toBeLessThan(20_000);
  });

  it('gives the same bytes for the same code, whenever and wherever it is packed', async () => {
    const one = await packed(small);
    const other = await packed(Object.fromEntries(Object.entries(small).reverse()));
    await utimes(join(other.root, 'labels.sql'), 1, 1);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2040-01-01T00:00:00Z') });
    onTestFinished(() => void vi.useRealTimers());
    const again = await packBundle({ root: other.root, store: other.store });
    expect([other.bundle.digest, again.digest]).toEqual([one.bundle.digest, one.bundle.digest]);
    expect([other.bundle.artifact, again.artifact]).toEqual([one.bundle.artifact, one.bundle.artifact]);
  });

  it('has the digest by which `schedule list` tells code that differs, with a plug-in that is built into it', async () => {
    const project = `name: shop\nsources:\n  own: { type: plugin, module: own.ts, resources: { rows: { primary_key: id } } }\n`;
    const { root, store } = await packed({ 'plumbline.yaml': project, 'own.ts': 'export default { *rows() { yield { id: 1 }; } };\n' }); // prettier-ignore
    const { digest, files } = await packBundle({ root, store });
    expect(Object.keys(files).some((path) => path.startsWith('.plumbline-plugins/'))).toBe(true);
    expect(await codeDigest(root)).toBe(digest);
    await writeFile(join(root, 'own.ts'), 'export default {');
    expect(await codeDigest(root)).toBeUndefined();
  });

  it('gives another digest for another content, another name and another file', async () => {
    const digests = await Promise.all(
      [
        small,
        { ...small, 'labels.sql': `${small['labels.sql']} ` },
        { ...small, 'note.txt': '' },
        { ...small, 'notes.txt': '' },
        { ...small, 'a/note.txt': '' },
      ].map(async (files) => (await packed(files)).bundle.digest),
    );
    expect(new Set(digests).size).toBe(5);
  });

  it('digests path and content hash of each file in the order of the paths', () => {
    const b = contentHash(Buffer.from('B'));
    const a = contentHash(Buffer.from('A'));
    expect(bundleDigest({ 'b.txt': b, 'a.txt': a })).toBe(
      createHash('sha256').update(`a.txt\0${a}\nb.txt\0${b}\n`).digest('hex'),
    );
  });

  it('leaves out state, dependencies, secrets, ignored files and what sources read', async () => {
    const { bundle } = await packed({
      'plumbline.yaml': `name: shop
sources:
  one: { path: ./data/one.csv }
  many: { path: 'in/**/*.{csv,json}' }
  all: { path: '*' }
  deep: { path: 'seeds/**' }
database: file:keys/database.txt
environments: { prod: { sources: { one: { path: data/prod.csv } } } }
`,
      'data/one.csv': 'x',
      'data/prod.csv': 'x',
      'data/schema.sql': 'SELECT 1',
      'seeds/own/shops.csv': 'kept',
      'seeds/own/notes.txt': 'x',
      'in/a/b.csv': 'x',
      'in/b.json': 'x',
      'in/b.txt': 'kept',
      'keys/database.txt': 'secret',
      '.env': 'SECRET=1',
      '.env.local': 'SECRET=1',
      'prod.env': 'SECRET=1',
      'sub/.git/config': 'x',
      'node_modules/a/index.js': 'x',
      '.plumbline/state.json': '{}',
      'train.py': 'kept',
      '__pycache__/train.pyc': 'x',
      'scratch/big.bin': 'x',
      'scratch/keep.txt': 'kept',
      '.plumblineignore': '# own\nscratch/*\n!scratch/keep.txt\nplumbline.yaml\n',
    });
    expect(Object.keys(bundle.files)).toEqual([
      'data/schema.sql',
      'in/b.txt',
      'plumbline.yaml',
      'scratch/keep.txt',
      'seeds/own/shops.csv',
      'train.py',
    ]);
  });

  it('refuses a file over 5 MB that a program of the project may read, naming it', async () => {
    const large = { 'data/other.csv': Buffer.alloc(5_000_001) };
    for (const source of ['{ type: python, script: own.py, function: rows }', '{ path: in/*.txt, parse: own.mjs }']) {
      const project = { 'plumbline.yaml': `name: shop\nsources:\n  own: ${source}\n` };
      await expect(packed({ ...project, ...large }), source).rejects.toMatchObject({
        code: 'PROJECT_BUNDLE_FILE_TOO_LARGE',
        at: { file: 'data/other.csv' },
        next: expect.stringContaining('add the line data/other.csv to the file .plumblineignore') as string,
      });
      await packed({ ...project, ...large, '.plumblineignore': 'data/other.csv\n' });
    }
    await expect(packed({ ...small, 'seeds/all/shops.csv': Buffer.alloc(5_000_001) })).rejects.toMatchObject({ code: 'PROJECT_BUNDLE_FILE_TOO_LARGE' }); // prettier-ignore
  });

  it('leaves a file over 5 MB out that no source names any more, where the project has no program to read it', async () => {
    const large = { 'data/sales.csv': Buffer.alloc(5_000_001), 'old/dump.parquet': Buffer.alloc(5_000_001), 'dump.sql': Buffer.alloc(5_000_001) }; // prettier-ignore
    const { bundle } = await packed({ ...small, ...large, 'old/note.csv': 'x' });
    expect(Object.keys(bundle.files)).toContain('old/note.csv');
    expect(Object.keys(bundle.files)).not.toContain('data/sales.csv');
    expect(Object.keys(bundle.files)).not.toContain('old/dump.parquet');
    expect(Object.keys(bundle.files)).not.toContain('dump.sql');
  });

  it('follows links inside the project and refuses those that lead out', async () => {
    const root = await writeProject(small);
    const store = openDirectoryStore(await temporaryFolder());
    await symlink('labels.sql', join(root, 'same.sql'));
    const { files } = await packBundle({ root, store });
    expect(files['same.sql']).toBe(files['labels.sql']);
    for (const target of ['/etc/hostname', 'features', 'nowhere']) {
      const other = await writeProject(small);
      await symlink(target, join(other, 'link'));
      await expect(packBundle({ root: other, store }), target).rejects.toMatchObject({
        code: 'PROJECT_BUNDLE_INVALID',
        message: expect.stringContaining('link') as string,
      });
    }
  });

  it('records the commit, and whether anything differs from it', async () => {
    const root = await writeProject({ ...small, '.gitignore': '.plumbline/\n' });
    const store = openDirectoryStore(await temporaryFolder());
    const git = (...command: string[]): string =>
      execFileSync('git', ['-C', root, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...command], {
        encoding: 'utf8',
      });
    expect(await packBundle({ root, store })).not.toHaveProperty('gitCommit');
    git('init', '-q');
    expect(await packBundle({ root, store })).not.toHaveProperty('gitCommit');
    git('add', '.');
    git('commit', '-qm', 'first');
    const gitCommit = git('rev-parse', 'HEAD').trim();
    expect(await packBundle({ root, store })).toMatchObject({ gitCommit, gitDirty: false });
    await writeFile(join(root, 'new.py'), '');
    expect(await packBundle({ root, store })).toMatchObject({ gitCommit, gitDirty: true });
  });
});

describe('unpackBundle', () => {
  it('gives back every file byte for byte', async () => {
    const seed = Number(process.env['FC_SEED'] ?? Date.now());
    console.log(`bundle round trip: seed ${seed}`);
    const part = fc.stringMatching(/^[a-zA-Z0-9 _é"'-]{1,12}$/).map((name) => `f${name}`);
    const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join('/')}.bin`);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(path, fc.uint8Array({ maxLength: 2000 }), { maxKeys: 6 }), async (files) => {
        const { store, bundle } = await packed({ 'plumbline.yaml': 'name: shop\n', ...files });
        const folder = await unpackBundle({
          digest: bundle.digest,
          artifactSha256: bundle.artifact.sha256,
          store,
          cacheDir: await temporaryFolder(),
        });
        const entries = await readdir(folder, { recursive: true, withFileTypes: true });
        expect(entries.filter((entry) => entry.isFile())).toHaveLength(Object.keys(files).length + 1);
        for (const [name, content] of Object.entries(files))
          expect(Buffer.compare(await readFile(join(folder, name)), Buffer.from(content))).toBe(0);
      }),
      { numRuns: 20, seed },
    );
  });

  it('reuses a folder that is there, and needs the store no more', async () => {
    const { store, bundle } = await packed(small);
    const cacheDir = await temporaryFolder();
    const options = { digest: bundle.digest, artifactSha256: bundle.artifact.sha256, cacheDir };
    const folder = await unpackBundle({ ...options, store });
    expect(await unpackBundle({ ...options, store: openDirectoryStore('/nowhere') })).toBe(folder);
  });

  it('unpacks once for eight at the same time, leaving one folder', async () => {
    const { store, bundle } = await packed(small);
    const cacheDir = await temporaryFolder();
    const options = { digest: bundle.digest, artifactSha256: bundle.artifact.sha256, store, cacheDir };
    const folders = await Promise.all(Array.from({ length: 8 }, () => unpackBundle(options)));
    expect(new Set(folders)).toEqual(new Set([join(cacheDir, bundle.digest)]));
    expect(await readdir(cacheDir)).toEqual([bundle.digest]);
    expect((await readdir(join(cacheDir, bundle.digest))).sort()).toEqual(['features', 'labels.sql', 'plumbline.yaml']);
  });

  it('sweeps what a killed worker left, not what another is writing', async () => {
    const { store, bundle } = await packed(small);
    const cacheDir = await temporaryFolder();
    await mkdir(join(cacheDir, '.unpacking-old'));
    await utimes(join(cacheDir, '.unpacking-old'), 1, 1);
    await mkdir(join(cacheDir, '.unpacking-new'));
    await unpackBundle({ digest: bundle.digest, artifactSha256: bundle.artifact.sha256, store, cacheDir });
    expect((await readdir(cacheDir)).sort()).toEqual(['.unpacking-new', bundle.digest]);
  });

  async function unpackArchive(
    content: Uint8Array,
    digest?: string,
  ): Promise<{ error: unknown; left: string[]; outside: string[] }> {
    const parent = await temporaryFolder();
    const cacheDir = join(parent, 'cache');
    await mkdir(cacheDir);
    const store = openDirectoryStore(await temporaryFolder());
    const { sha256 } = await store.put(content);
    const error: unknown = await unpackBundle({
      digest: digest ?? 'a'.repeat(64),
      artifactSha256: sha256,
      store,
      cacheDir,
    }).then(
      () => 'unpacked',
      (caught: unknown) => caught,
    );
    return { error, left: await readdir(cacheDir), outside: await readdir(parent) };
  }

  async function tarOf(
    ...entries: { name: string; type?: 'symlink' | 'link' | 'character-device' | 'directory'; linkname?: string }[]
  ): Promise<Buffer> {
    const tar = pack();
    const bytes = buffer(tar);
    for (const entry of entries) {
      if (entry.type === undefined) tar.entry(entry, 'evil');
      else tar.entry(entry);
    }
    tar.finalize();
    return gzipSync(await bytes);
  }

  it.each([
    { name: '../evil.txt' },
    { name: 'a/../../evil.txt' },
    { name: '/tmp/evil.txt' },
    { name: 'a\\..\\evil.txt' },
    { name: 'C:/evil.txt' },
    { name: './evil.txt' },
    { name: 'link', type: 'symlink' as const, linkname: '/etc/passwd' },
    { name: 'link', type: 'link' as const, linkname: '../../evil' },
    { name: 'device', type: 'character-device' as const },
    { name: 'folder', type: 'directory' as const },
  ])('refuses the entry $name ($type)', async (entry) => {
    const evil = contentHash(Buffer.from('evil'));
    const digest = bundleDigest({ 'fine.txt': evil, ...('type' in entry ? {} : { [entry.name]: evil }) });
    const { error, left, outside } = await unpackArchive(await tarOf({ name: 'fine.txt' }, entry), digest);
    expect(error).toMatchObject({ code: 'PROJECT_BUNDLE_INVALID', terminal: true });
    expect((error as Error).message).toMatch(/is no path inside the project|expected a file/);
    expect(left).toEqual([]);
    expect(outside).toEqual(['cache']);
  });

  it('refuses doubled names, other content than the digest says, cut archives and bombs', async () => {
    const wrong = await tarOf({ name: 'a.txt' });
    for (const content of [
      await tarOf({ name: 'a.txt' }, { name: 'a.txt' }),
      wrong,
      wrong.subarray(0, 40),
      Buffer.from('no archive'),
      gzipSync(Buffer.alloc(80_000_000)),
      gzipSync(Buffer.alloc(100_000, 'x')),
    ]) {
      const { error, left } = await unpackArchive(content);
      expect(error).toMatchObject({ code: 'PROJECT_BUNDLE_INVALID' });
      expect(left).toEqual([]);
    }
    expect((await unpackArchive(wrong, '../../x')).error).toMatchObject({ code: 'PROJECT_BUNDLE_INVALID' });
  });

  it('passes on that the store has no such object', async () => {
    const store = openDirectoryStore(await temporaryFolder());
    await expect(
      unpackBundle({
        digest: 'a'.repeat(64),
        artifactSha256: 'b'.repeat(64),
        store,
        cacheDir: await temporaryFolder(),
      }),
    ).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING' });
  });
});
