import type { FastifyInstance } from 'fastify';
import { readRows } from '../read-rows.js';
import { answer, servedModel, type ServerContext } from '../server-context.js';

/** `POST /models/<model>/predict`: rows by column name, predictions and their ids in the same order. */
export function predictRoute(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Params: { model: string } }>('/models/:model/predict', async ({ params, body }) => {
    const model = servedModel(context, params.model);
    const inputs = readRows(model.rules, body);
    const { predictions, ids } = await answer(context, model, inputs);
    return {
      model: model.version.model,
      version: model.version.version,
      predictions: Array.from(predictions),
      prediction_ids: ids,
      ...(inputs.warnings.length === 0 ? {} : { warnings: inputs.warnings }),
    };
  });
}
