import type { ModelVersion } from '../deployment/model-version.js';
import { openOnnxModel, type InputColumn, type OnnxModel } from '../deployment/onnx-model.js';
import type { ArtifactStore } from '../model/artifact.js';
import { inputRules, toColumn, type InputRule, type RequestInputs } from './request-inputs.js';

/** A version in memory. It is closed when it was retired and its last request is answered. */
export class ServedModel {
  readonly rules: readonly InputRule[];
  readonly outputs: readonly string[];
  #running = 0;
  #retired = false;

  private constructor(
    readonly version: ModelVersion,
    readonly epoch: number,
    readonly loadedAt: string,
    private readonly onnx: OnnxModel,
  ) {
    this.rules = inputRules(version.signature);
    this.outputs = [version.signature.outputs[0]!.name];
  }

  /**
   * Reads the graph from the store, checks its hash, its content and its signature, and runs it once.
   *
   * @throws TerminalError `STORE_*` or `DEPLOY_ONNX_*`: the version must not serve
   */
  static async load(options: {
    readonly store: ArtifactStore;
    readonly version: ModelVersion;
    readonly epoch: number;
    readonly now: Date;
  }): Promise<ServedModel> {
    const { store, version, epoch, now } = options;
    const onnx = await openOnnxModel({
      onnx: await store.read(version.onnx.sha256),
      signature: version.signature,
    });
    const model = new ServedModel(version, epoch, now.toISOString(), onnx);
    try {
      // The first inference allocates; a graph that cannot answer a row of missing values cannot serve.
      await model.predict({ rows: 1, cells: model.rules.map(() => [null]), warnings: [] });
    } catch (error) {
      await onnx.close();
      throw error;
    }
    return model;
  }

  /** The first output, one value a row. */
  async predict(inputs: RequestInputs): Promise<Float32Array> {
    this.#running += 1;
    try {
      const columns: InputColumn[] = this.rules.map((rule, index) => toColumn(rule, inputs.cells[index]!));
      return await this.onnx.predict(columns, inputs.rows);
    } finally {
      this.#running -= 1;
      if (this.#retired && this.#running === 0) await this.onnx.close();
    }
  }

  /** Frees the graph as soon as nothing runs on it. */
  async retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#running === 0) await this.onnx.close();
  }
}
