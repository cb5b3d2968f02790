import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface PrivateFolder {
  /** Writes a file that only this user can read. Gives its path. */
  write(name: string, content: string): Promise<string>;
  /** Makes a folder in it. Gives its path. */
  folder(name: string): Promise<string>;
}

/**
 * Lends a folder that only this user can enter, for files with secrets, and removes it. What a killed process leaves goes with `parent`,
 * which is that process's own.
 */
export async function withPrivateFolder<T>(parent: string, work: (folder: PrivateFolder) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, 'tap-'));
  try {
    return await work({
      async write(name, content) {
        const path = join(folder, name);
        await writeFile(path, content, { mode: 0o600, flag: 'wx' });
        return path;
      },
      async folder(name) {
        const path = join(folder, name);
        await mkdir(path, { mode: 0o700 });
        return path;
      },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
