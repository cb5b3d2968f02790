// Extracts an inventory in a process of its own, for a test that kills it: node inventory-process.mjs <JSON: url, storeFolder, root, resource, …>
import { extractInventory } from '../../../dist/elt/extract/extract-inventory.js';
import { openDirectoryStore } from '../../../dist/storage/artifact-store.js';
import { openDatabase } from '../../../dist/storage/database.js';

const { url, storeFolder, ...options } = JSON.parse(process.argv[2]);
const database = openDatabase({ url });
await extractInventory({
  ...options,
  database,
  store: openDirectoryStore(storeFolder),
  env: 'dev',
  project: 'demo',
  environment: {},
});
await database.close();
