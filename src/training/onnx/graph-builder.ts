import { attributeTypes, elementTypes, modelProto } from './onnx-proto.js';

export type Attribute =
  | { readonly f: number }
  | { readonly i: number }
  | { readonly s: string }
  | { readonly floats: ArrayLike<number> }
  | { readonly ints: ArrayLike<number> }
  | { readonly strings: readonly string[] };

export interface NodeOptions {
  readonly op: string;
  readonly domain?: '' | typeof ML_DOMAIN;
  readonly inputs: readonly string[];
  /** The tensor this node makes. @default a new internal name */
  readonly output?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export const ML_DOMAIN = 'ai.onnx.ml';
/** IR 8 with ai.onnx 15 and ai.onnx.ml 3 (2021–2022): old enough for every runtime in use, new enough for each operator. */
const IR_VERSION = 8;
const OPSETS = [
  { domain: '', version: 15 },
  { domain: ML_DOMAIN, version: 3 },
];

/**
 * Collects the parts of one ONNX graph. Inputs keep the user's column names, whatever they are; internal tensors get a
 * prefix that no reserved name begins with.
 */
export class GraphBuilder {
  private readonly nodes: unknown[] = [];
  private readonly initializers: unknown[] = [];
  private readonly inputs: unknown[] = [];
  private readonly outputs: unknown[] = [];
  private readonly prefix: string;
  private count = 0;

  /** @param reserved names of inputs and outputs */
  constructor(reserved: readonly string[]) {
    let prefix = 'plumbline/';
    while (reserved.some((name) => name.startsWith(prefix))) prefix = `_${prefix}`;
    this.prefix = prefix;
  }

  /** A graph input of shape [N, 1]. */
  input(name: string, datatype: 'FP32' | 'BYTES'): string {
    this.inputs.push(columnInfo(name, datatype));
    return name;
  }

  /** Declares a tensor of shape [N, 1] as a graph output. */
  output(name: string): void {
    this.outputs.push(columnInfo(name, 'FP32'));
  }

  /** A constant float64 tensor. */
  constant(values: ArrayLike<number>, dims: readonly number[]): string {
    const name = this.newName('constant');
    const bytes = Buffer.alloc(values.length * 8);
    Array.from(values).forEach((value, index) => bytes.writeDoubleLE(value, index * 8));
    this.initializers.push({ name, dims, data_type: elementTypes.FP64, raw_data: bytes });
    return name;
  }

  /** Adds a node of one output and gives the name of that output. */
  node({ op, domain = '', inputs, output, attributes = {} }: NodeOptions): string {
    const name = output ?? this.newName(op);
    this.nodes.push({
      name: `${this.prefix}node/${this.nodes.length}`,
      op_type: op,
      domain,
      input: inputs,
      output: [name],
      attribute: Object.entries(attributes).map(([key, attribute]) => encodeAttribute(key, attribute)),
    });
    return name;
  }

  /** The model's bytes; the same parts give the same bytes. */
  build(metadata: Readonly<Record<string, string>>): Uint8Array {
    return modelProto
      .encode({
        ir_version: IR_VERSION,
        producer_name: 'plumbline',
        opset_import: OPSETS,
        metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
        graph: {
          name: 'plumbline',
          node: this.nodes,
          initializer: this.initializers,
          input: this.inputs,
          output: this.outputs,
        },
      })
      .finish();
  }

  private newName(kind: string): string {
    return `${this.prefix}${kind}/${this.count++}`;
  }
}

function columnInfo(name: string, datatype: 'FP32' | 'BYTES'): unknown {
  const shape = { dim: [{ dim_param: 'N' }, { dim_value: 1 }] };
  return { name, type: { tensor_type: { elem_type: elementTypes[datatype], shape } } };
}

function encodeAttribute(name: string, attribute: Attribute): unknown {
  const [kind, value] = Object.entries(attribute)[0] as [keyof typeof attributeTypes, unknown];
  const encoded =
    kind === 's'
      ? Buffer.from(value as string)
      : kind === 'strings'
        ? (value as readonly string[]).map((text) => Buffer.from(text))
        : kind === 'floats' || kind === 'ints'
          ? Array.from(value as ArrayLike<number>)
          : value;
  return { name, type: attributeTypes[kind], [kind]: encoded };
}
