// npm run demo: from a raw CSV to served predictions, on the embedded stack. `--stop` stops the stack at the end.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, requireNode, root } from './install.mjs';

const started = Date.now();
requireNode();
ensureInstalled();
ensureBuilt();

const project = join(root, 'examples', 'bike-demand');
const cli = join(root, 'dist', 'cli', 'main.js');

function plumbline(args, options = {}) {
  const result = spawnSync(process.execPath, [cli, ...args], {
    cwd: project,
    stdio: options.capture ? ['ignore', 'pipe', 'inherit'] : 'inherit',
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result.stdout;
}
const json = (args) => JSON.parse(plumbline([...args, '--json'], { capture: true }));
const count = (value) => value.toLocaleString('en-US');

plumbline(['up']);
console.log();
plumbline(['run']);

const [{ run_id: runId }] = json(['runs', 'list', '--limit', '1']);
const { run, steps } = json(['runs', 'show', runId]);
const result = (name) => steps.find((step) => step.step === name)?.result;
const loaded = steps
  .filter((step) => step.step.startsWith('load:') && !step.step.includes('#'))
  .map((step) => step.result);
const built = steps.filter((step) => step.step.startsWith('transform:')).map((step) => step.result);
const baselines = result('baselines');
const registered = result('register');
const trained = steps.filter((step) => step.step.startsWith('train:')).map((step) => step.result);
const model = registered.model;
const rmse = (value) => value.toFixed(1);

console.log(`
What happened
  loaded      ${loaded.map((one) => `${count(one.rowsRead)} rows in, ${count(one.rowsLoaded)} loaded, ${count(one.rowsRejected)} rejected`).join('; ')}
  tests       ${built.reduce((sum, one) => sum + one.testsPassed, 0)} passed
  baselines   ${baselines.map((one) => `${one.name} rmse ${rmse(one.metrics.rmse)} (${count(one.rows)} hours)`).join('; ')}`);
for (const one of trained) {
  const note = one.set === 'main' ? '' : ` · variant ${one.set}`;
  console.log(
    `  ${one.trainer.padEnd(11)} rmse ${rmse(one.metrics.rmse)}${note} · parity Δ ≤ ${one.parity.maxDelta.toExponential(1)} on ${count(one.parity.rows)} rows`,
  );
}
for (const set of steps.filter((step) => step.step.startsWith('features:')).map((step) => step.result)) {
  for (const assumption of set.trainingSet.assumptions) console.log(`  assumes     ${set.set}: ${assumption}`);
}
console.log(
  `  version     ${model} v${registered.version}  (${registered.gates.map((gate) => gate.reason).join('; ')})`,
);
const reused = steps.filter((step) => step.status === 'reused');
if (reused.length > 0)
  console.log(`  reused      ${reused.length} of ${steps.length} steps, because nothing they depend on changed`);

const { loadSettings } = await import('../dist/config.js');
const { openStore } = await import('../dist/storage/open-store.js');
const { readParquet } = await import('../dist/table/parquet.js');
const settings = await loadSettings({ cwd: project, env: process.env });
const { trainingSet } = result('features:main');
const table = await readParquet(await openStore(settings).localPath(trainingSet.artifact.sha256));
const column = (name) => table.columns.get(name);
const testRows = [...Array(table.rowCount).keys()].filter((row) => column('_split').values[row] === 'test');
const picks = [0.25, 0.5, 0.99].map((share) => testRows[Math.floor(share * testRows.length)]);

console.log('\nThree held-out hours, predicted a day ahead by the served model');
let predictionId;
for (const row of picks) {
  const input = Object.fromEntries(
    trainingSet.features.map(({ name }) => {
      const value = column(name).values[row];
      return [name, typeof value === 'number' && Number.isNaN(value) ? null : value];
    }),
  );
  const answer = await predict(settings.serving.url, model, input);
  predictionId = answer.prediction_ids[0];
  const hour = new Date(column(trainingSet.labelTime).values[row]).toISOString().slice(0, 16).replace('T', ' ');
  console.log(
    `  ${hour}   predicted ${answer.predictions[0].toFixed(0).padStart(4)}   truth ${column(trainingSet.target).values[row].toFixed(0).padStart(4)}   v${answer.version}`,
  );
}

console.log('\nWhere the last of them comes from');
await traceWhenLogged(predictionId);

console.log(`
Temporal UI   ${settings.temporalUiUrl}
serving       ${settings.serving.url}/models/${model}
next          cd examples/bike-demand; node ../../dist/cli/main.js plan   (or run, models list, trace ${model})
stop          cd examples/bike-demand; node ../../dist/cli/main.js down
done in ${((Date.now() - started) / 1000).toFixed(0)} s (run ${run.run_id})`);
if (process.argv.includes('--stop')) plumbline(['down']);

/** Serving takes a promoted version over within a second or so. */
async function predict(url, model, input) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(`${url}/models/${model}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: input }),
    }).catch((error) => ({ ok: false, status: 0, text: () => String(error) }));
    if (response.ok) {
      const answer = await response.json();
      if (answer.version === registered.version || attempt >= 50) return answer;
    } else if (attempt >= 50) {
      console.error(`predicting failed: ${response.status} ${await response.text()}`);
      process.exit(1);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The prediction log reaches PostgreSQL a moment after the answer. */
async function traceWhenLogged(id) {
  for (let attempt = 0; attempt < 30; attempt++) {
    const { status, stdout } = spawnSync(process.execPath, [cli, 'trace', id], { cwd: project, encoding: 'utf8' });
    if (status === 0) {
      process.stdout.write(stdout.replace(/^/gm, '  ').trimEnd() + '\n');
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  plumbline(['trace', id]);
}
