import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Database } from '../model/database.js';
import { predictionId } from './prediction-id.js';
import { PredictionSpool } from './prediction-spool.js';
import type { PredictionWarning, RequestInputs } from './request-inputs.js';
import type { ServedModel } from './served-model.js';
import { SpoolCopier } from './spool-copier.js';
import { SpoolFolder } from './spool-folder.js';

export interface PredictionLogOptions {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  /** Folder shared by the serving processes of a machine; each makes one of its own in it. */
  readonly spoolDir: string;
  readonly durability: 'spool' | 'fsync';
  readonly maxSpoolBytes: number;
  readonly segmentBytes: number;
  readonly logger: Logger;
}

/**
 * Every answered prediction, once. Acknowledged = spooled: ids are made here, and `record` resolves when the lines are in a local
 * file that outlives a kill -9 of the process.
 */
export class PredictionLog {
  readonly #folder: SpoolFolder;
  readonly #spool: PredictionSpool;
  readonly #copier: SpoolCopier;
  readonly #env: string;
  readonly #project: string;

  constructor(options: PredictionLogOptions) {
    const { database, durability, logger, spoolDir, segmentBytes } = options;
    this.#env = JSON.stringify(options.env);
    this.#project = JSON.stringify(options.project);
    this.#folder = SpoolFolder.create(spoolDir);
    this.#spool = new PredictionSpool({
      folder: this.#folder,
      durability,
      maxPendingBytes: options.maxSpoolBytes,
      segmentBytes,
    });
    const rejected = join(spoolDir, 'rejected.ndjson');
    this.#copier = new SpoolCopier({ database, spool: this.#spool, folder: this.#folder, rejected, logger });
  }

  start(): void {
    this.#copier.start();
  }

  get pendingBytes(): number {
    return this.#spool.pendingBytes;
  }

  get isFull(): boolean {
    return this.#spool.isFull;
  }

  /** @throws RequestError 503 `SERVE_SPOOL_FULL` */
  assertRoom(): void {
    this.#spool.assertRoom();
  }

  /** Writes one line a row and gives the rows' ids. @throws RequestError 503 `SERVE_SPOOL_FULL` */
  async record(model: ServedModel, inputs: RequestInputs, predictions: Float32Array): Promise<string[]> {
    const now = Date.now();
    const at = new Date(now).toISOString();
    const { version } = model.version;
    const head = `"env":${this.#env},"project":${this.#project},"model":${JSON.stringify(model.version.model)},"version":${version},"at":"${at}"`;
    const keys = model.rules.map(({ name }) => `${JSON.stringify(name)}:`);
    const ids: string[] = [];
    let lines = '';
    const warned = byRow(inputs.warnings);
    for (let row = 0; row < inputs.rows; row++) {
      const id = predictionId(now);
      const values = keys.map((key, index) => key + JSON.stringify(inputs.cells[index]![row])).join(',');
      const warnings = warned.get(row);
      const tail = warnings === undefined ? '' : `,"warnings":${JSON.stringify(warnings)}`;
      lines += `{"prediction_id":"${id}",${head},"inputs":{${values}},"prediction":${predictions[row]}${tail}}\n`;
      ids.push(id);
    }
    await this.#spool.append(lines);
    return ids;
  }

  /** Copies what is spooled, as far as PostgreSQL answers within `withinMs`; the rest is left for the next process. */
  async close(withinMs: number): Promise<void> {
    await this.#spool.flush();
    this.#spool.seal();
    await this.#copier.stop(withinMs);
    this.#folder.release();
  }
}

function byRow(warnings: readonly PredictionWarning[]): ReadonlyMap<number, PredictionWarning[]> {
  const rows = new Map<number, PredictionWarning[]>();
  for (const warning of warnings) {
    const others = rows.get(warning.row);
    if (others === undefined) rows.set(warning.row, [warning]);
    else others.push(warning);
  }
  return rows;
}
