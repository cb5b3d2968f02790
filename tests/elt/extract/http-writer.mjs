// Extracts, loads and publishes one resource of an API in a process of its own, for tests that kill it.
// Usage: node http-writer.mjs <compiled source folder> <JSON: url, storeFolder, root, schemas, resource, runId, parents>
import { pathToFileURL } from 'node:url';

const [folder, settings] = process.argv.slice(2);
const { url, storeFolder, root, schemas, resource, runId, parents } = JSON.parse(settings);
const load = (path) => import(pathToFileURL(`${folder}/${path}`).href);
const { openDatabase } = await load('storage/database.js');
const { openDirectoryStore } = await load('storage/artifact-store.js');
const { extractHttp } = await load('elt/extract/extract-http.js');
const { landedExtract } = await load('elt/extract/extract-progress.js');
const { loadObject } = await load('elt/load/load-object.js');
const { publishResource } = await load('elt/load/publish-resource.js');

const database = openDatabase({ url });
const store = openDirectoryStore(storeFolder);
const base = { database, store, env: 'dev', project: 'demo', schemas, resource, runId, parents };
try {
  const { objects, extractId } = await extractHttp({ ...base, root, environment: {}, parents });
  const { cursorFrom, cursorTo } = await landedExtract(database, extractId, resource.cursor);
  const cursor = resource.cursor === undefined ? {} : { cursor: { from: cursorFrom, to: cursorTo } };
  const loads = [];
  for (const object of objects) loads.push(await loadObject({ ...base, object }));
  console.log(JSON.stringify(await publishResource({ ...base, loads, ...cursor })));
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 1;
} finally {
  await database.close();
}
