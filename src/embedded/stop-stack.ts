import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { noneIfDamaged, readStackState, type Settings, type StackState } from '../config.js';
import { openStackFile } from './stack-file.js';
import { dataFolders, stackFolders, systemHome } from './postgres-account.js';
import { clearAfterKill, findPostmaster } from './postgres.js';
import { endProcess } from './processes/end-process.js';
import { isAlive } from './processes/process-identity.js';
import { endOrphans, stackMark } from './processes/stack-processes.js';

/** What is no data: the caller's lock, and the copy of the schema that plumbline.yaml names for editors. */
const KEPT = /^(lock(\..*)?|plumbline\.schema\.json)$/;

/** The supervisor's own time for its parts: the worker's, then PostgreSQL's. */
const SUPERVISOR_GRACE_MS = 60_000;

/**
 * Stops everything of the stack, also what a killed supervisor left, and gives whether anything ran. The stack mark and
 * the data folders find it without a state file; a damaged one is removed. The caller holds the lock. Throws
 * `EMBEDDED_STOP_FAILED` when a process outlives SIGKILL.
 */
export async function stopStack(settings: Settings): Promise<boolean> {
  const { stateDir, root } = settings;
  const state = await readStackState(stateDir).catch(noneIfDamaged);
  let ran = state === undefined ? await stopMarked(root, SUPERVISOR_GRACE_MS) : await stopRecorded(state);
  for (const data of await dataFolders({ root, stateDir })) ran = (await stopPostgres(data)) || ran;
  ran = (await stopMarked(root, 5_000)) || ran;
  if (state === undefined) {
    await rm(join(stateDir, 'state.json'), { force: true });
    return ran;
  }
  const { supervisor: _supervisor, failure: _failure, ...rest } = state;
  await openStackFile(stateDir).write({ ...rest, parts: {} });
  return ran;
}

async function stopMarked(root: string, graceMs: number): Promise<boolean> {
  return (await endOrphans(stackMark(root), [], graceMs)) > 0;
}

async function stopRecorded({ supervisor, parts, postgres }: StackState): Promise<boolean> {
  let ran = supervisor !== undefined && (await isAlive(supervisor));
  if (supervisor !== undefined) await endProcess(supervisor, { graceMs: SUPERVISOR_GRACE_MS });
  for (const name of ['serving', 'worker', 'temporal'] as const) {
    const recorded = parts[name]?.process;
    if (recorded === undefined || !(await isAlive(recorded))) continue;
    ran = true;
    await endProcess(recorded, { graceMs: 25_000 });
  }
  if (postgres !== undefined) ran = (await stopPostgres(postgres.dataDir)) || ran;
  return ran;
}

async function stopPostgres(dataDir: string): Promise<boolean> {
  const postmaster = await findPostmaster(dataDir);
  if (postmaster !== undefined) await endProcess(postmaster.process, { signal: 'SIGINT', graceMs: 20_000 });
  await clearAfterKill(dataDir);
  return postmaster !== undefined;
}

/**
 * Deletes what a stopped stack has stored: database, histories, artifacts in `.plumbline`, logs; gives the folders it
 * did that in. An artifact store that PLUMBLINE_STORE puts elsewhere stays.
 */
export async function deleteStackData(settings: Settings): Promise<string[]> {
  for (const name of await readdir(settings.stateDir)) {
    if (KEPT.test(name)) continue;
    await rm(join(settings.stateDir, name), { recursive: true, force: true });
  }
  if (process.getuid?.() !== 0) return [settings.stateDir];
  const folders = stackFolders(settings);
  await rm(systemHome(settings.root), { recursive: true, force: true });
  return folders;
}
