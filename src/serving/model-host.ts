import type { Logger } from 'pino';
import { readVersion } from '../deployment/read-versions.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { Database } from '../model/database.js';
import { ServedModel } from './served-model.js';

/** A version the pointer names and this process would not load. */
export interface Refusal {
  readonly version: number;
  readonly epoch: number;
  readonly code: string;
  readonly error: string;
}

export interface ModelState {
  readonly name: string;
  readonly model?: ServedModel;
  readonly refusal?: Refusal;
}

interface Slot {
  model?: ServedModel;
  refusal?: Refusal & { readonly retryAtMs: number };
}

/** How long a refused version stays refused before its file is looked at again: somebody may have restored it. */
const REFUSAL_MS = 5_000;

/**
 * Follows the serving pointers of a project and keeps the models they name in memory. A new version is loaded, checked and
 * warmed beside the old one, then takes its place at once; requests on the old one finish there. What cannot be loaded is
 * refused and the old version serves on; so does everything in memory when PostgreSQL is away.
 */
export class ModelHost {
  readonly #slots = new Map<string, Slot>();
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #stopped = false;
  #databaseError: string | undefined = 'not asked yet';

  constructor(
    private readonly options: {
      readonly database: Database;
      readonly store: ArtifactStore;
      readonly env: string;
      readonly project: string;
      readonly logger: Logger;
      /** Milliseconds between two looks at the pointers. */
      readonly pollMs: number;
    },
  ) {}

  /** Looks once, then every `pollMs`. Never fails: what is wrong shows in `states()` and `databaseError`. */
  async start(): Promise<void> {
    await this.refresh();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#polling;
    for (const { model } of this.#slots.values()) await model?.retire();
  }

  get(name: string): ServedModel | undefined {
    return this.#slots.get(name)?.model;
  }

  has(name: string): boolean {
    return this.#slots.has(name);
  }

  states(): ModelState[] {
    return [...this.#slots].map(([name, { model, refusal }]) => ({
      name,
      ...(model === undefined ? {} : { model }),
      ...(refusal === undefined ? {} : { refusal }),
    }));
  }

  /** Why the pointers cannot be read now; undefined while they can. */
  get databaseError(): string | undefined {
    return this.#databaseError;
  }

  /** One look at the pointers; calls at the same time share it. */
  refresh(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => (this.#polling = undefined));
    return this.#polling;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.refresh().then(() => this.#schedule()), this.options.pollMs);
  }

  async #poll(): Promise<void> {
    const { database, env, project, logger } = this.options;
    try {
      const pointers = await database.query<{ model: string; version: number; epoch: string }>(
        `SELECT model, version, epoch FROM plumbline.serving_pointer WHERE env = $1 AND project = $2 ORDER BY model`,
        [env, project],
      );
      if (this.#databaseError !== undefined) logger.info({ models: pointers.length }, 'serving pointers are readable');
      this.#databaseError = undefined;
      for (const { model, version, epoch } of pointers) await this.#follow(model, version, Number(epoch));
      const pointed = new Set(pointers.map(({ model }) => model));
      for (const name of this.#slots.keys()) if (!pointed.has(name)) await this.#remove(name);
    } catch (error) {
      const message = (error as Error).message;
      if (this.#databaseError !== message) {
        logger.warn({ err: error }, 'serving pointers are not readable; the models in memory serve on');
      }
      this.#databaseError = message;
    }
  }

  async #follow(name: string, version: number, epoch: number): Promise<void> {
    const slot = this.#slots.get(name) ?? {};
    this.#slots.set(name, slot);
    if (slot.model?.epoch === epoch) return;
    if (slot.refusal?.epoch === epoch && Date.now() < slot.refusal.retryAtMs) return;
    const { database, store, env, project, logger } = this.options;
    // Read outside of the try: a database that is away says nothing about the version.
    const registered = await readVersion(database, { env, project, model: name }, version);
    try {
      const loaded = await ServedModel.load({ store, version: registered, epoch, now: new Date() });
      const old = slot.model;
      slot.model = loaded;
      delete slot.refusal;
      logger.info({ model: name, version, epoch, replaced: old?.version.version }, 'model serves');
      await old?.retire();
    } catch (error) {
      const { code = 'unknown', message } = error as Error & { code?: string };
      const known = slot.refusal?.epoch === epoch && slot.refusal.error === message;
      slot.refusal = { version, epoch, code, error: message, retryAtMs: Date.now() + REFUSAL_MS };
      if (!known) {
        const serving = slot.model?.version.version;
        logger.error({ model: name, version, epoch, serving, err: error }, 'model version refused');
      }
    }
  }

  async #remove(name: string): Promise<void> {
    const slot = this.#slots.get(name);
    this.#slots.delete(name);
    await slot?.model?.retire();
    this.options.logger.info({ model: name }, 'model no longer serves');
  }
}
