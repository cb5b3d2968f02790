import { pino } from 'pino';
import { createServer } from '../../src/serving/create-server.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { openDatabase } from '../../src/storage/database.js';

// A serving process for tests that kill it: prints its address, then serves until it is told to end.
const { DATABASE, STORE, SPOOL, LOG, SEGMENT_BYTES = '20000' } = process.env as Record<string, string>;
const database = openDatabase({ url: DATABASE!, max: 3, applicationName: 'serving under test' });
const server = await createServer({
  database,
  store: openDirectoryStore(STORE!),
  env: 'dev',
  project: 'bikes',
  port: 0,
  spoolDir: SPOOL!,
  logger: pino({ level: 'warn' }, pino.destination(2)),
  segmentBytes: Number(SEGMENT_BYTES),
  ...(LOG === 'fsync' ? { log: LOG } : {}),
});
process.on('SIGTERM', () => {
  void server
    .close()
    .then(() => database.close())
    .then(() => process.exit(0));
});
process.stdout.write(`${server.url}\n`);
