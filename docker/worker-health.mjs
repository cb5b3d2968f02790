// Healthy when this container's worker has stamped its row in PostgreSQL within 10 s.
import { hostname } from 'node:os';
import { loadSettings } from '../dist/config.js';
import { openDatabase } from '../dist/storage/database.js';
import { liveWorkers } from '../dist/storage/workers.js';

const { databaseUrl } = await loadSettings({ cwd: process.cwd(), env: process.env });
const database = openDatabase({ url: databaseUrl.reveal(), max: 1, applicationName: 'plumbline health' });
try {
  const workers = await liveWorkers(database, 10);
  process.exitCode = workers.some(({ host }) => host === hostname()) ? 0 : 1;
} finally {
  await database.close();
}
