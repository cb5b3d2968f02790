import type { FastifyInstance } from 'fastify';
import type { ModelVersion } from '../../deployment/model-version.js';
import { servedModel, type ServerContext } from '../server-context.js';

/** `GET /models` and `GET /models/<model>`: what serves, made from what, how good; JSON, or a page for browsers. */
export function modelPageRoutes(app: FastifyInstance, context: ServerContext): void {
  app.get('/models', () => ({
    models: context.host.states().map(({ name, model }) => ({
      name,
      version: model?.version.version ?? null,
      predict: predictPath(name),
    })),
  }));
  app.get<{ Params: { model: string } }>('/models/:model', async ({ params, headers }, reply) => {
    const { version, loadedAt } = servedModel(context, params.model);
    const page = describe(version, loadedAt);
    if (!headers.accept?.includes('text/html')) return page;
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(html(page, version.modelCard));
  });
}

const predictPath = (model: string): string => `/models/${encodeURIComponent(model)}/predict`;

function describe(version: ModelVersion, loadedAt: string) {
  return {
    model: version.model,
    version: version.version,
    digest: version.digest,
    env: version.env,
    project: version.project,
    task: version.task,
    run_id: version.runId,
    created_at: version.createdAt,
    loaded_at: loadedAt,
    inputs: version.signature.inputs,
    output: version.signature.outputs[0]?.name,
    metrics: version.metrics,
    baselines: version.baselines,
    gates: version.gates,
    parity: version.parity,
    assumptions: version.assumptions,
    unknown_categories: 'treated as missing and named in `warnings`',
    training_set: { sha256: version.trainingSet.artifact.sha256, rows: version.trainingSet.rows },
    model_card: version.modelCard,
    predict: predictPath(version.model),
  };
}

function html(page: ReturnType<typeof describe>, card: string): string {
  const row = (name: string, value: unknown) =>
    `<tr><th>${escaped(name)}</th><td>${escaped(typeof value === 'string' ? value : JSON.stringify(value))}</td></tr>`;
  const inputs = page.inputs.map((input) =>
    row(input.name, `${input.datatype}${input.nullable ? ', may be null' : ''}`),
  );
  const metrics = Object.entries(page.metrics).map(([name, value]) => row(name, value));
  const assumptions = page.assumptions.map((text) => `<li>${escaped(text)}</li>`).join('');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(page.model)} v${page.version}</title>
<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}th{text-align:left;padding-right:1rem;font-weight:500}pre{white-space:pre-wrap}</style>
<h1>${escaped(page.model)} v${page.version}</h1>
<table>${row('environment', page.env)}${row('project', page.project)}${row('task', page.task)}${row('run', page.run_id)}${row('made', page.created_at)}${row('digest', page.digest)}</table>
<h2>Held-out metrics</h2><table>${metrics.join('')}</table>
${assumptions === '' ? '' : `<h2>Assumptions</h2><ul>${assumptions}</ul>`}
<h2>Inputs</h2><table>${inputs.join('')}</table>
<h2>Predict</h2><pre>POST ${escaped(page.predict)}</pre>
<h2>Model card</h2><pre>${escaped(card)}</pre>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
