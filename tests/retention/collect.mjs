// Collects garbage in a process of its own, for tests that kill it.
// Usage: node --import ../setup/typescript-loader.mjs collect.mjs <JSON: url, folder, and the options of collectGarbage>
import { openDatabase } from '../../src/storage/database.ts';
import { openDirectoryStore } from '../../src/storage/artifact-store.ts';
import { collectGarbage } from '../../src/retention/collect-garbage.ts';

const { url, folder, ...options } = JSON.parse(process.argv[2]);
const database = openDatabase({ url });
console.log(JSON.stringify(await collectGarbage({ ...options, database, store: openDirectoryStore(folder) })));
await database.close();
