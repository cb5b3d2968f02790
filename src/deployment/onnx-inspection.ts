import { createRequire } from 'node:module';
import { TerminalError } from '../errors.js';

/** What a graph is made of, read from its bytes without running it. */
export interface OnnxInspection {
  /** Operator domains of every node, subgraphs and functions included; '' is ONNX's own. */
  readonly domains: ReadonlySet<string>;
  /** Names of tensors whose values are in other files. */
  readonly externalTensors: readonly string[];
  readonly nodes: number;
}

/** Operators that onnxruntime brings along: ONNX itself and its classic machine learning part. */
const ALLOWED_DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
/** Bound of a served graph. Boosted trees of 1,000 × 255 leaves take about 20 MiB. */
export const MAX_ONNX_BYTES = 256 * 1024 * 1024;

/**
 * Refuses a graph that must not be loaded: too large, cut off, with operators outside ONNX and `ai.onnx.ml`, or with
 * weights in other files.
 *
 * @throws TerminalError `DEPLOY_ONNX_TOO_LARGE`, `DEPLOY_ONNX_INVALID`, `DEPLOY_ONNX_DOMAIN`, `DEPLOY_ONNX_EXTERNAL_DATA`
 */
export function assertOwnOnnx(onnx: Uint8Array, maxBytes = MAX_ONNX_BYTES): OnnxInspection {
  if (onnx.byteLength > maxBytes) {
    throw new TerminalError(
      'DEPLOY_ONNX_TOO_LARGE',
      `Loading an ONNX model of ${onnx.byteLength} bytes was refused: expected at most ${maxBytes}.`,
      { next: 'Train a smaller model (fewer trees or leaves).', details: { bytes: onnx.byteLength, maxBytes } },
    );
  }
  const inspection = inspectOnnx(onnx);
  const foreign = [...inspection.domains].filter((domain) => !ALLOWED_DOMAINS.has(domain));
  if (foreign.length > 0) {
    throw new TerminalError(
      'DEPLOY_ONNX_DOMAIN',
      `Loading an ONNX model was refused: it uses operators of ${foreign.map((domain) => JSON.stringify(domain)).join(', ')}, expected only those of ONNX and ai.onnx.ml.`,
      { next: 'Export the model without custom operators.', details: { domains: foreign } },
    );
  }
  if (inspection.externalTensors.length > 0) {
    throw new TerminalError(
      'DEPLOY_ONNX_EXTERNAL_DATA',
      `Loading an ONNX model was refused: the values of ${inspection.externalTensors.map((name) => JSON.stringify(name)).join(', ')} are in other files, expected every tensor inside the graph.`,
      { next: 'Export the model as one file.', details: { tensors: inspection.externalTensors } },
    );
  }
  return inspection;
}

/** @throws TerminalError `DEPLOY_ONNX_INVALID` when the bytes are not a whole ONNX ModelProto. */
export function inspectOnnx(onnx: Uint8Array): OnnxInspection {
  const found: Found = { domains: new Set(), externalTensors: [], nodes: 0, hasGraph: false };
  try {
    walk(Reader.create(onnx), onnx.byteLength, MODEL, found, 0);
  } catch (error) {
    throw invalid(`it ends early or is damaged (${(error as Error).message})`, error);
  }
  if (!found.hasGraph) throw invalid('it holds no graph');
  return { domains: found.domains, externalTensors: found.externalTensors, nodes: found.nodes };
}

function invalid(reason: string, cause?: unknown): TerminalError {
  return new TerminalError('DEPLOY_ONNX_INVALID', `Reading an ONNX model failed: ${reason}.`, {
    next: 'Restore the file, or train again to make a new one.',
    cause,
  });
}

interface Found {
  readonly domains: Set<string>;
  readonly externalTensors: string[];
  nodes: number;
  hasGraph: boolean;
}

/** The messages of onnx.proto that can hold a node or a tensor: field number → what is in it. */
interface Message {
  readonly name: 'model' | 'graph' | 'node' | 'attribute' | 'function' | 'tensor' | 'sparse' | 'training';
  readonly children: () => Readonly<Record<number, Message>>;
}

// Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
const TENSOR: Message = { name: 'tensor', children: () => ({}) };
const SPARSE: Message = { name: 'sparse', children: () => ({ 1: TENSOR, 2: TENSOR }) };
const ATTRIBUTE: Message = {
  name: 'attribute',
  children: () => ({ 5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE }),
};
const NODE: Message = { name: 'node', children: () => ({ 5: ATTRIBUTE }) };
const GRAPH: Message = { name: 'graph', children: () => ({ 1: NODE, 5: TENSOR, 15: SPARSE }) };
const FUNCTION: Message = { name: 'function', children: () => ({ 7: NODE, 11: ATTRIBUTE }) };
const TRAINING: Message = { name: 'training', children: () => ({ 1: GRAPH, 2: GRAPH }) };
const MODEL: Message = { name: 'model', children: () => ({ 7: GRAPH, 20: TRAINING, 25: FUNCTION }) };

/** Nested If and Loop bodies deeper than this are taken for an attack on the stack. */
const MAX_DEPTH = 64;
const NODE_DOMAIN = 7;
const TENSOR_NAME = 8;
const TENSOR_EXTERNAL_DATA = 13;
const TENSOR_DATA_LOCATION = 14;
const LENGTH_DELIMITED = 2;

function walk(reader: ProtobufReader, end: number, message: Message, found: Found, depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError(`graphs nested deeper than ${MAX_DEPTH}`);
  const children = message.children();
  let name = '';
  let domain = '';
  let external = false;
  if (message.name === 'graph') found.hasGraph = true;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = tag >>> 3;
    const wireType = tag & 7;
    const child = children[field];
    if (child !== undefined && wireType === LENGTH_DELIMITED) {
      const length = reader.uint32();
      if (reader.pos + length > end) throw new RangeError(`a ${child.name} reaches beyond its ${message.name}`);
      walk(reader, reader.pos + length, child, found, depth + 1);
    } else if (message.name === 'node' && field === NODE_DOMAIN) {
      domain = reader.string();
    } else if (message.name === 'tensor' && field === TENSOR_NAME) {
      name = reader.string();
    } else if (message.name === 'tensor' && field === TENSOR_EXTERNAL_DATA) {
      external = true;
      reader.skipType(wireType);
    } else if (message.name === 'tensor' && field === TENSOR_DATA_LOCATION) {
      const location = reader.uint32();
      external ||= location !== 0;
    } else {
      reader.skipType(wireType);
    }
  }
  if (reader.pos !== end) throw new RangeError(`a field reaches beyond its ${message.name}`);
  if (message.name === 'node') {
    found.nodes += 1;
    found.domains.add(domain);
  }
  if (external) found.externalTensors.push(name);
}

interface ProtobufReader {
  pos: number;
  uint32(): number;
  string(): string;
  skipType(wireType: number): unknown;
}

// protobufjs is CommonJS without named exports that Node can see.
const { Reader } = createRequire(import.meta.url)('protobufjs/minimal.js') as {
  Reader: { create(bytes: Uint8Array): ProtobufReader };
};
