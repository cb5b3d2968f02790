// Extracts, loads and publishes one resource in a process of its own, for tests that kill or freeze it.
// Usage: node load-writer.mjs <compiled source folder> <JSON: url, storeFolder, root, schemas, resource, runId, chunkRows, together>
import { pathToFileURL } from 'node:url';

const [folder, settings] = process.argv.slice(2);
const { url, storeFolder, root, schemas, resource, runId, chunkRows, together } = JSON.parse(settings);
const load = (path) => import(pathToFileURL(`${folder}/${path}`).href);
const { openDatabase } = await load('storage/database.js');
const { openDirectoryStore } = await load('storage/artifact-store.js');
const { extractFiles } = await load('elt/extract/extract-files.js');
const { loadObject } = await load('elt/load/load-object.js');
const { loadObjects } = await load('elt/load/load-objects.js');
const { publishResource } = await load('elt/load/publish-resource.js');

const database = openDatabase({ url });
const store = openDirectoryStore(storeFolder);
const base = { database, store, env: 'dev', project: 'demo', schemas, resource, runId };
try {
  const loads = [];
  const objects = await extractFiles({ ...base, root, now: new Date() });
  if (together) loads.push(...(await loadObjects({ ...base, objects, chunkRows })));
  else for (const object of objects) loads.push(await loadObject({ ...base, object, chunkRows }));
  console.log(JSON.stringify(await publishResource({ ...base, loads })));
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 1;
} finally {
  await database.close();
}
