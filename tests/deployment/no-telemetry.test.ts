import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MODULE = new URL('../../dist/deployment/onnx-model.js', import.meta.url).href;
const RUNTIME = fileURLToPath(new URL('../../node_modules/onnxruntime-node/dist/index.js', import.meta.url));
const MODEL = fileURLToPath(new URL('../fixtures/onnx/demand-v1.onnx', import.meta.url));

/** Names of the files that onnxruntime's reporting leaves in the temporary folder of a process that loads a model. */
function traces(load: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-telemetry-'));
  try {
    // The runtime also keeps quiet where CI is set, which is not what is tested.
    const { CI: _ci, ORT_DISABLE_TELEMETRY: _off, ...env } = process.env;
    const script = `${load}; await ort.InferenceSession.create(${JSON.stringify(MODEL)}); await new Promise((r) => setTimeout(r, 300));`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...env, TMPDIR: folder },
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return readdirSync(folder).filter((name) => name.startsWith('mat-debug'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

it.runIf(process.platform === 'linux')('onnxruntime, which reports by itself, does not when plumbline loads it', () => {
  const runtime = `const { default: ort } = await import(${JSON.stringify(RUNTIME)})`;
  expect(traces(runtime)).not.toEqual([]);
  expect(traces(`await import(${JSON.stringify(MODULE)}); ${runtime}`)).toEqual([]);
});
