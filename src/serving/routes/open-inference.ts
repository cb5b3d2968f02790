import type { FastifyInstance } from 'fastify';
import { readTensors } from '../read-tensors.js';
import { answer, servedModel, type ServerContext } from '../server-context.js';

interface ModelParams {
  readonly Params: { readonly model: string; readonly version?: string };
}

/** Open Inference Protocol v2 over REST: https://github.com/kserve/open-inference-protocol. */
export function openInferenceRoutes(app: FastifyInstance, context: ServerContext, serverVersion: string): void {
  const metadata = { name: 'plumbline', version: serverVersion, extensions: [] };
  app.get('/v2', () => metadata);
  app.get('/v2/', () => metadata);
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<ModelParams>(path, ({ params }) => modelMetadata(context, params));
    app.get<ModelParams>(`${path}/ready`, ({ params }) => {
      const model = servedModel(context, params.model, params.version);
      return { name: model.version.model, version: String(model.version.version), ready: true };
    });
    app.post<ModelParams>(`${path}/infer`, ({ params, body }) => infer(context, params, body));
  }
}

function modelMetadata(context: ServerContext, params: ModelParams['Params']) {
  const { version } = servedModel(context, params.model, params.version);
  const tensor = ({ name, datatype }: { name: string; datatype: string }) => ({ name, datatype, shape: [-1, 1] });
  return {
    name: version.model,
    versions: [String(version.version)],
    platform: 'onnx_onnxv1',
    inputs: version.signature.inputs.map(tensor),
    outputs: version.signature.outputs.slice(0, 1).map(tensor),
    properties: { digest: version.digest, run_id: version.runId, task: version.task },
  };
}

async function infer(context: ServerContext, params: ModelParams['Params'], body: unknown) {
  const model = servedModel(context, params.model, params.version);
  const { id, inputs } = readTensors(model.rules, model.outputs, body);
  const { predictions, ids } = await answer(context, model, inputs);
  const output = model.version.signature.outputs[0]!;
  return {
    model_name: model.version.model,
    model_version: String(model.version.version),
    ...(id === undefined ? {} : { id }),
    // The protocol allows a string, a number or a boolean as a parameter's value, so lists travel as JSON text.
    parameters: {
      prediction_ids: JSON.stringify(ids),
      ...(inputs.warnings.length === 0 ? {} : { warnings: JSON.stringify(inputs.warnings) }),
    },
    outputs: [{ name: output.name, datatype: output.datatype, shape: [inputs.rows, 1], data: Array.from(predictions) }],
  };
}
