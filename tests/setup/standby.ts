import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Database } from '../../src/model/database.js';
import { freePort, startServer } from './global.js';

export interface Standby {
  readonly url: string;
  stop(): Promise<void>;
}

/** A hot standby with what the primary holds now; nothing that comes later reaches it. */
export async function startStandby(primary: Database): Promise<Standby> {
  const home = await mkdtemp(join(tmpdir(), 'plumbline-test-standby-'));
  const data = join(home, 'data');
  // The low-level way to take a base backup, as there is no pg_basebackup beside the server:
  // https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
  await primary.session(async (session) => {
    const [from] = await session.query<{ data: string }>(`SELECT current_setting('data_directory') AS data`);
    await session.query(`SELECT pg_backup_start('standby', true)`);
    await cp(from!.data, data, {
      recursive: true,
      filter: (path) => !['pg_wal', 'postmaster.pid'].includes(basename(path)),
    });
    const [label] = await session.query<{ text: string }>('SELECT labelfile AS text FROM pg_backup_stop(false)');
    await cp(join(from!.data, 'pg_wal'), join(data, 'pg_wal'), { recursive: true });
    await writeFile(join(data, 'backup_label'), label!.text);
    await writeFile(join(data, 'standby.signal'), '');
  });
  if (process.getuid?.() === 0) await promisify(execFile)('chown', ['-R', '65534:65534', home]);
  await promisify(execFile)('chmod', ['700', data]);
  const server = await startServer(home, await freePort());
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
