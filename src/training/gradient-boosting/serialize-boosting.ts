import { createHash } from 'node:crypto';
import { TerminalError } from '../../errors.js';
import type { BoostingModel, BoostingObjective, Tree } from './boosting-model.js';

// "PLGB", layout 1
const MAGIC = Buffer.from('PLGB\u0001');
const HASH_BYTES = 32;

interface Header {
  readonly objective: BoostingObjective;
  readonly baseScore: number;
  readonly nFeatures: number;
  /** Nodes of each tree. */
  readonly nodes: readonly number[];
}

/**
 * The model as bytes; equal models give equal bytes. Layout: magic, header length (uint32), header (JSON), importance
 * (float64), then tree after tree its six arrays, little-endian; at the end the SHA-256 of all before.
 */
export function serializeBoosting(model: BoostingModel): Uint8Array {
  const { objective, baseScore, nFeatures, trees } = model;
  const header: Header = { objective, baseScore, nFeatures, nodes: trees.map((tree) => tree.feature.length) };
  const headerBytes = Buffer.from(JSON.stringify(header));
  const headerLength = Buffer.alloc(4);
  headerLength.writeUInt32LE(headerBytes.length);
  const body = Buffer.concat([
    MAGIC,
    headerLength,
    headerBytes,
    bytesOf(model.importance),
    ...trees.flatMap((tree) => arraysOf(tree).map(bytesOf)),
  ]);
  return new Uint8Array(Buffer.concat([body, sha256(body)]));
}

/**
 * @throws TerminalError TRAIN_MODEL_BYTES_INVALID when the bytes are cut, changed or something else
 */
export function deserializeBoosting(bytes: Uint8Array): BoostingModel {
  const buffer = Buffer.from(bytes);
  const body = buffer.subarray(0, Math.max(0, buffer.length - HASH_BYTES));
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid(bytes, 'it does not start with its mark');
  if (!sha256(body).equals(buffer.subarray(body.length))) throw invalid(bytes, 'its checksum does not match');
  const headerStart = MAGIC.length + 4;
  const headerEnd = headerStart + body.readUInt32LE(MAGIC.length);
  // The checksum matched, so this is what serializeBoosting wrote.
  const header = JSON.parse(body.toString('utf8', headerStart, headerEnd)) as Header;
  let position = headerEnd;
  const take = (length: number): ArrayBuffer => {
    const taken = Uint8Array.from(body.subarray(position, position + length));
    position += length;
    return taken.buffer;
  };
  const importance = new Float64Array(take(header.nFeatures * 8));
  const trees = header.nodes.map((nodes): Tree => ({
    feature: new Int32Array(take(nodes * 4)),
    threshold: new Float32Array(take(nodes * 4)),
    missingLeft: new Uint8Array(take(nodes)),
    left: new Int32Array(take(nodes * 4)),
    right: new Int32Array(take(nodes * 4)),
    value: new Float32Array(take(nodes * 4)),
  }));
  const { objective, baseScore, nFeatures } = header;
  return { objective, baseScore, trees, nFeatures, importance };
}

function arraysOf(tree: Tree): readonly ArrayBufferView[] {
  return [tree.feature, tree.threshold, tree.missingLeft, tree.left, tree.right, tree.value];
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function invalid(bytes: Uint8Array, reason: string): TerminalError {
  return new TerminalError(
    'TRAIN_MODEL_BYTES_INVALID',
    `Reading a boosting model of ${bytes.length} bytes failed: ${reason}.`,
    { details: { sizeBytes: bytes.length }, next: 'Train the model again.' },
  );
}
