// node --import ../../setup/typescript-loader.mjs build-child.ts <url> <run id> <sql> [incremental or snapshot]: one build in a process of its own.
import { buildTransform } from '../../../src/elt/transform/build-transform.js';
import { compileTransforms } from '../../../src/elt/transform/compile-transforms.js';
import type { TransformFile } from '../../../src/model/project.js';
import { openDatabase } from '../../../src/storage/database.js';

const [url, runId, sql, added] = process.argv.slice(2) as [string, string, string, string?];
const schemas = { raw: 'raw', main: 'main', stage: 'stage' };
const file: TransformFile = {
  name: 'demand',
  file: 'sql/demand.sql',
  sql,
  tests: [],
  materialized: 'table',
  ...(added === undefined ? {} : (JSON.parse(added) as Partial<TransformFile>)),
};
const [node] = compileTransforms({ transforms: [file], schemas, resources: [] }).nodes;
const database = openDatabase({ url });
try {
  await buildTransform({ database, schemas, node: node!, runId, isIncremental: added !== undefined });
  process.stdout.write('published\n');
} catch (error) {
  process.stdout.write(`failed ${(error as { code?: string }).code ?? (error as Error).message}\n`);
} finally {
  await database.close();
}
