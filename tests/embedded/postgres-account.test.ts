import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { postgresAccount, systemHome } from '../../src/embedded/postgres-account.js';
import { postgresBinaries } from '../../src/embedded/postgres-binaries.js';

const NOBODY = 65534;

describe.runIf(process.getuid?.() === 0)("the account of root's PostgreSQL", () => {
  let root: string;
  let stateDir: string;
  let data: string;
  beforeEach(async () => {
    root = await mkdtemp('/tmp/plumbline-account-');
    stateDir = join(root, '.plumbline');
    data = join(stateDir, 'postgres', 'data');
    await chmod(root, 0o755);
    await mkdir(stateDir, { mode: 0o711 });
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
    await rm(systemHome(root), { recursive: true, force: true });
  });
  const account = async () => postgresAccount({ bin: await postgresBinaries(), root, stateDir });
  const putData = async (owner: number): Promise<void> => {
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'PG_VERSION'), '18\n');
    for (const folder of [join(data, '..'), data]) await chown(folder, owner, owner);
  };

  it('keeps the database of a normal user, and says whose it is', async () => {
    await putData(1000);
    await chmod(root, 0o700);
    await expect(account()).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_DATA',
      message: expect.stringContaining(`the database in ${data} belongs to user 1000`) as string,
      next: 'Run plumbline as user 1000, or delete the database with `plumbline up --reset`.',
    });
    expect(existsSync(join(data, 'PG_VERSION'))).toBe(true);
    expect((await stat(join(stateDir, 'postgres'))).uid).toBe(1000);
    expect(existsSync(systemHome(root))).toBe(false);
  });

  it('keeps its own database when a folder above it was closed, and makes no other one', async () => {
    await putData(NOBODY);
    expect(await account()).toMatchObject({ home: join(stateDir, 'postgres') });
    await chmod(root, 0o700);
    await expect(account()).rejects.toMatchObject({ code: 'EMBEDDED_POSTGRES_DATA', details: { owner: NOBODY } });
    expect(existsSync(join(data, 'PG_VERSION'))).toBe(true);
    expect(existsSync(systemHome(root))).toBe(false);
  });

  it('goes on with the database outside when the project can be reached by now', async () => {
    await chmod(root, 0o700);
    const { home, note } = await account();
    expect(home).toBe(systemHome(root));
    expect(note).toContain(home);
    expect(await readdir(stateDir)).toEqual([]);
    await mkdir(join(home, 'data'));
    await writeFile(join(home, 'data', 'PG_VERSION'), '18\n');
    await chown(join(home, 'data'), NOBODY, NOBODY);
    await chmod(root, 0o755);
    expect(await account()).toMatchObject({ home });
  });
});
