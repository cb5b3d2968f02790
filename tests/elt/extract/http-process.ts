import { spawn, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import type { CompiledQuery } from '../../../src/elt/inventory/compile-query.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { compileSource } from '../../setup/compiled-source.js';
import { schemas, type Workbench } from '../load/workbench.js';

let processes = 0;

/** Compiles the source once for a test file; gives the folder. */
export function useCompiled(): () => string {
  let folder: string;
  beforeAll(async () => void (folder = await compileSource(`test-build-${process.pid}-http`)));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

export interface HttpProcess {
  readonly child: ChildProcess;
  readonly output: Promise<string>;
  /** The failpoints it took. */
  readonly log: string;
}

/** Extract, load and publish, in a process that a failpoint may kill. */
export function startProcess(
  compiled: string,
  bench: Workbench,
  resource: ResourceConfig,
  runId: string,
  failpoints?: string,
  parents?: CompiledQuery,
): HttpProcess {
  const log = join(bench.root, `${resource.id}-${++processes}.failpoints`);
  const { url, storeFolder, root } = bench;
  const settings = JSON.stringify({ url, storeFolder, root, schemas, resource, runId, parents });
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('http-writer.mjs', import.meta.url)), compiled, settings],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...(failpoints !== undefined && { PLUMBLINE_FAILPOINTS: failpoints, PLUMBLINE_FAILPOINT_LOG: log }),
      },
    },
  );
  const output = (async () => {
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    return text;
  })();
  return { child, output, log };
}
