// Records the histories that histories.test.ts replays, from the stack of the project folder given:
//   node tests/replay/record.mjs <project folder> [workflow type …]
// Run it after `plumbline run --force`, `plumbline plan`, `plumbline schedule trigger`, `plumbline backfill`, `plumbline gc` and
// `plumbline forget` there, when a workflow was changed on purpose. backfill.3.json and scheduledRun.3.json are of a
// `backfill --parallel 3` that a start of a schedule met.
import { mkdirSync, writeFileSync } from 'node:fs';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Client, Connection } from '@temporalio/client';
import { loadSettings } from '../../dist/config.js';

const settings = await loadSettings({ cwd: process.argv[2], env: process.env });
const connection = await Connection.connect(settings.temporal.connectionOptions);
const client = new Client({ connection, namespace: settings.temporal.namespace });
const folder = new URL('./histories/', import.meta.url);
mkdirSync(folder, { recursive: true });
const all = [
  ...['pipeline', 'elt', 'featureEngineering', 'training', 'deployment', 'plan', 'scheduledRun', 'backfill'],
  ...['garbageCollection', 'erasure'],
];
for (const type of process.argv.length > 3 ? process.argv.slice(3) : all) {
  let recorded = 0;
  for await (const found of client.workflow.list({
    query: `WorkflowType = '${type}' AND ExecutionStatus = 'Completed'`,
  })) {
    const history = await client.workflow.getHandle(found.workflowId, found.runId).fetchHistory();
    const name = recorded === 0 ? `${type}.json` : `${type}.${recorded + 1}.json`;
    writeFileSync(new URL(name, folder), `${historyToJSON(history)}\n`);
    console.log(`${name}: ${history.events.length} events of ${found.workflowId}`);
    if (++recorded === 2) break;
  }
}
await connection.close();
