import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { connectDatabase } from '../client/connect.js';
import { loadSettings, type Settings } from '../config.js';
import { listDecisions, recordDecision } from '../deployment/decisions.js';
import type { ModelKey, ModelVersion } from '../deployment/model-version.js';
import { readPointerHistory } from '../deployment/pointer-history.js';
import { promote } from '../deployment/promote.js';
import {
  listVersions,
  readPointer,
  readVersion,
  unknownModel,
  type ListedVersion,
} from '../deployment/read-versions.js';
import { rollback } from '../deployment/rollback.js';
import { PipelineError, TerminalError } from '../errors.js';
import { projectName } from '../project/project-name.js';
import { openStore } from '../storage/open-store.js';
import { isS3 } from '../s3/location.js';
import type { OpenDatabase } from '../storage/database.js';
import { listOffered } from '../storage/run-steps.js';
import { metric, table } from './format.js';
import { plural } from '../model/plural.js';

export interface ModelOptions {
  readonly env: string;
  readonly json: boolean;
}

export interface DecideOptions extends ModelOptions {
  readonly reason?: string;
}

export async function listCommand(model: string | undefined, options: ModelOptions): Promise<void> {
  await withModels(options, async ({ database, env, project }) => {
    const versions = await versionsOf(database, { env, project, ...(model === undefined ? {} : { model }) });
    if (model !== undefined && versions.length === 0) throw await unknownModel(database, { env, project, model });
    if (options.json) return printJson(versions.map(summary));
    if (versions.length === 0) return print(`no models in ${env} yet; make one with \`plumbline run\``);
    const rows = versions.map((version) => [
      version.model,
      `v${version.version}`,
      stateOf(version),
      metricsOf(version),
      version.createdAt.slice(0, 19).replace('T', ' '),
      version.runId,
    ]);
    print(table([['MODEL', 'VERSION', 'STATE', 'HELD OUT', 'MADE (UTC)', 'RUN'], ...rows]));
  });
}

export async function showCommand(model: string, text: string | undefined, options: ModelOptions): Promise<void> {
  await withModels(options, async ({ database, env, project }) => {
    const key = { env, project, model };
    const versions = await versionsOf(database, key);
    const number = versionNumber(text) ?? whatToLookAt(versions)?.version;
    if (number === undefined) throw await unknownModel(database, key);
    const version = await readVersion(database, key, number);
    if (options.json) return printJson(version);
    const listed = versions.find((entry) => entry.version === number);
    const { parity } = version;
    print(
      table([
        [`${model} v${number}`, listed === undefined ? '' : stateOf(listed)],
        ['held out', metricsOf(version)],
        [
          'parity',
          `${parity.maxRelativeDelta.toExponential(1)} on ${parity.rows} ${plural(parity.rows, 'row')} (at most ${parity.tolerance})`,
        ],
        ['run', version.runId],
        ['digest', version.digest],
        ['model file', `${version.onnx.sha256}, ${version.onnx.bytes} bytes`],
        ['training set', version.trainingSet.artifact.sha256],
        ['code bundle', version.bundle],
      ]),
    );
    print(`\n${version.modelCard.trimEnd()}`);
  });
}

export async function historyCommand(model: string, options: ModelOptions): Promise<void> {
  await withModels(options, async ({ database, env, project }) => {
    const key = { env, project, model };
    const [changes, decisions] = [await readPointerHistory(database, key), await listDecisions(database, key)];
    if (options.json) return printJson({ changes, decisions });
    if (decisions.length === 0) await newest(database, key);
    const rows = decisions.map(({ at, kind, version, who, reason }) => [
      at.slice(0, 19).replace('T', ' '),
      kind,
      `v${version}`,
      who,
      reason,
    ]);
    print(
      rows.length === 0
        ? 'nothing was decided yet'
        : table([['AT (UTC)', 'DECISION', 'VERSION', 'WHO', 'WHY'], ...rows]),
    );
  });
}

export async function compareCommand(model: string, texts: readonly string[], options: ModelOptions): Promise<void> {
  await withModels(options, async ({ database, env, project }) => {
    const key = { env, project, model };
    const numbers = texts.map((text) => versionNumber(text)!);
    if (numbers.length === 0) {
      const serving = await readPointer(database, key);
      numbers.push(
        ...new Set([...(serving === undefined ? [] : [serving.version]), (await newest(database, key)).version]),
      );
    }
    const versions: ModelVersion[] = [];
    for (const number of numbers) versions.push(await readVersion(database, key, number));
    if (options.json) return printJson(versions.map(summary));
    const names = [...new Set(versions.flatMap(({ metrics }) => Object.keys(metrics)))];
    print(
      table([
        ['', ...versions.map(({ version }) => `v${version}`)],
        ...names.map((name) => [name, ...versions.map(({ metrics }) => cell(metrics[name]))]),
        ['training rows', ...versions.map(({ trainingSet }) => String(trainingSet.trainRows))],
        ['held-out rows', ...versions.map(({ trainingSet }) => String(trainingSet.testRows))],
        ['training set', ...versions.map(({ trainingSet }) => trainingSet.artifact.sha256.slice(0, 12))],
        ['code bundle', ...versions.map(({ bundle }) => bundle.slice(0, 12))],
        ['parameters', ...versions.map(({ parameters }) => JSON.stringify(parameters))],
      ]),
    );
    if (new Set(versions.map(({ trainingSet }) => trainingSet.artifact.sha256)).size > 1)
      print(
        'The training sets differ, and their held-out rows may: the gates compare with the champion on the same rows.',
      );
  });
}

/** The decision is one row in PostgreSQL; the signal only makes a waiting deployment read it now. */
export async function decideCommand(
  kind: 'approve' | 'reject',
  model: string,
  text: string | undefined,
  options: DecideOptions,
): Promise<void> {
  await withModels(options, async ({ database, env, project, settings }) => {
    const key = { env, project, model };
    const number = versionNumber(text);
    const { version, digest } =
      number === undefined ? await onlyWaiting(database, key, kind) : await readVersion(database, key, number);
    const reason = options.reason ?? `${kind === 'approve' ? 'approved' : 'rejected'} on the command line`;
    const decision = await recordDecision({
      database,
      decision: { ...key, version, digest, kind, who: userName(), reason },
    });
    const { notifyDecision } = await import('../client/notify-decision.js');
    const notified = await notifyDecision(settings, { ...key, version }).catch((error: unknown) => {
      if (error instanceof PipelineError && !error.terminal) return 'temporal_unreachable' as const;
      throw error;
    });
    if (options.json) return printJson({ ...decision, notified });
    print(
      `${kind === 'approve' ? 'approved' : 'rejected'} ${model} v${version} (${decision.digest.slice(0, 12)}) as ${decision.who}: ${reason}`,
    );
    if (notified === 'not_running') {
      print('no deployment of it waits: it is over, or was ended in Temporal. The decision is kept for the next one');
      if (kind === 'approve') print(`to let it serve now: \`plumbline models promote ${model} ${version} --reason …\``);
    }
    if (notified === 'temporal_unreachable')
      print(
        `Temporal is not reachable: the decision is kept. Say it again when Temporal is back, so that the deployment reads it: \`plumbline models ${kind} ${model} ${version}\``,
      );
  });
}

export async function promoteCommand(model: string, text: string, options: DecideOptions): Promise<void> {
  await withModels(options, async ({ database, env, project, settings }) => {
    const moved = await promote({
      database,
      env,
      project,
      model,
      version: versionNumber(text)!,
      who: userName(),
      reason: options.reason ?? 'promoted on the command line',
      verify: (version) => requireIntactFile(settings, version),
    });
    if (options.json) return printJson(moved);
    if (moved.kind !== 'promoted')
      return print(`${model} v${moved.version} was made to serve meanwhile; nothing changed`);
    print(moved.changed ? `${model} v${moved.version} serves now` : `${model} v${moved.version} serves already`);
  });
}

export async function rollbackCommand(model: string, options: DecideOptions & { readonly to?: string }): Promise<void> {
  await withModels(options, async ({ database, env, project, settings }) => {
    const to = versionNumber(options.to);
    const result = await rollback({
      database,
      env,
      project,
      model,
      ...(to === undefined ? {} : { to }),
      who: userName(),
      reason: options.reason ?? 'rolled back on the command line',
      verify: (version) => requireIntactFile(settings, version),
    });
    if (options.json) return printJson(result);
    print(
      result.changed
        ? `${model} v${result.version} serves again, in place of v${result.previousVersion}`
        : `${model} v${result.version} serves already`,
    );
  });
}

/** Serving would refuse a file that is not the registered one. A machine without the store has nothing to look at. */
async function requireIntactFile(settings: Settings, { model, version, onnx }: ModelVersion): Promise<void> {
  if (!isS3(settings.store) && !existsSync(settings.store)) return;
  try {
    await openStore(settings).localPath(onnx.sha256);
  } catch (error) {
    // A store on S3 that cannot be asked must not keep anybody from rolling back.
    if (error instanceof PipelineError && error.code.startsWith('S3_')) return;
    if (!(error instanceof TerminalError)) throw error;
    const { code, details, next } = error;
    throw new TerminalError(code, `Making ${model} v${version} serve failed, nothing was changed: ${error.message}`, {
      details,
      ...(next === undefined ? {} : { next }),
      cause: error,
    });
  }
}

interface Models {
  readonly database: OpenDatabase;
  readonly env: string;
  readonly project: string;
  readonly settings: Settings;
}

async function withModels(options: ModelOptions, work: (models: Models) => Promise<void>): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await projectName(settings.root, options.env);
  const database = connectDatabase(settings);
  try {
    await work({ database, env: options.env, project, settings });
  } finally {
    await database.close();
  }
}

interface Version extends ListedVersion {
  /** Its deployment goes on, and nobody has decided. */
  readonly waiting: boolean;
}

/** Versions of a model, or of all, newest first. */
async function versionsOf(
  database: OpenDatabase,
  key: { readonly env: string; readonly project: string; readonly model?: string },
): Promise<Version[]> {
  const versions = await listVersions(database, key);
  const offered = new Set((await listOffered(database, key)).map(({ model, version }) => `${model} v${version}`));
  return versions.map((one) => ({
    ...one,
    waiting: offered.has(`${one.model} v${one.version}`) && !one.serving && one.decision === undefined,
  }));
}

/** Whoever looks before deciding must see what `approve` would take; else what serves, else the newest. */
function whatToLookAt(versions: readonly Version[]): Version | undefined {
  return versions.find(({ waiting }) => waiting) ?? versions.find(({ serving }) => serving) ?? versions[0];
}

/** The version to decide on when none is named. Throws DEPLOY_VERSION_NEEDED unless exactly one waits. */
async function onlyWaiting(database: OpenDatabase, key: ModelKey, kind: 'approve' | 'reject'): Promise<Version> {
  const { model } = key;
  const versions = await versionsOf(database, key);
  if (versions.length === 0) throw await unknownModel(database, key);
  const waiting = versions.filter((one) => one.waiting);
  const [only] = waiting;
  if (only !== undefined && waiting.length === 1) return only;
  const found = waiting.map(({ version }) => `v${version}`).join(', ') || 'none';
  const example = only?.version ?? '<version>';
  throw new TerminalError(
    'DEPLOY_VERSION_NEEDED',
    `Choosing the version of ${model} to ${kind} failed: ${found} ${waiting.length > 1 ? 'wait' : 'waits'} for approval, expected exactly one.`,
    {
      details: { ...key, waiting: waiting.map(({ version }) => version) },
      next: `Look at one with \`plumbline models show ${model} ${example}\`, then name it: \`plumbline models ${kind} ${model} ${example}\`.`,
    },
  );
}

async function newest(database: OpenDatabase, key: ModelKey): Promise<ListedVersion> {
  const [version] = await listVersions(database, key);
  if (version === undefined) throw await unknownModel(database, key);
  return version;
}

/** `3` or `v3`. Throws DEPLOY_MODEL_UNKNOWN for anything else. */
function versionNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^v?([1-9]\d{0,8})$/.exec(text);
  if (match !== null) return Number(match[1]);
  throw new TerminalError(
    'DEPLOY_MODEL_UNKNOWN',
    `Reading the version failed: got ${JSON.stringify(text)}, expected a number such as 3 or v3.`,
    { details: { version: text }, next: 'List the versions with `plumbline models list`.' },
  );
}

function stateOf({ serving, waiting, decision }: Version): string {
  if (serving) return 'serving';
  if (waiting) return 'waiting for approval';
  if (decision === undefined) return '';
  return decision === 'reject' ? 'rejected' : 'approved';
}

function metricsOf({ metrics }: ModelVersion): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${cell(value)}`)
    .join('  ');
}

const cell = (value: number | null | undefined): string => (value == null ? '' : metric(value));

function summary(version: ModelVersion | Version) {
  const { model, digest, metrics, runId, createdAt, trainingSet, parameters, bundle } = version;
  const listed =
    'serving' in version
      ? { serving: version.serving, waiting: version.waiting, decision: version.decision ?? null }
      : {};
  const { artifact, trainRows, testRows } = trainingSet;
  return {
    model,
    version: version.version,
    ...listed,
    digest,
    metrics,
    parameters,
    trainingSet: { sha256: artifact.sha256, trainRows, testRows },
    bundle,
    runId,
    createdAt,
  };
}

/** The account that decided, as the system knows it. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));
