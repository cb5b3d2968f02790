import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { extractHttp, type HttpExtract, type HttpExtractOptions } from '../../../src/elt/extract/extract-http.js';
import { landedExtract } from '../../../src/elt/extract/extract-progress.js';
import { loadObject } from '../../../src/elt/load/load-object.js';
import type { LoadResult } from '../../../src/elt/load/load-result.js';
import { publishResource, type PublishResult } from '../../../src/elt/load/publish-resource.js';
import type { HttpRequestConfig, ResourceConfig } from '../../../src/model/project.js';
import { startApiServer, sendJson, type ApiServer } from '../../support/api-server.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from '../load/workbench.js';

export interface ApiBench {
  readonly bench: Workbench;
  readonly api: ApiServer;
  resource(http?: Partial<HttpRequestConfig>, overrides?: Partial<ResourceConfig>): ResourceConfig;
  extract(resource: ResourceConfig, options?: Partial<HttpExtractOptions>): Promise<HttpExtract>;
  /** The records that an extract landed, as they are written. */
  records(extract: HttpExtract): Promise<string[]>;
  /** Extract, load, publish. */
  run(
    resource: ResourceConfig,
    runId: string,
    options?: Partial<HttpExtractOptions>,
  ): Promise<{ extract: HttpExtract; loads: LoadResult[]; published: PublishResult }>;
}

/** A workbench and an API of its own for a test file; each test begins with an empty API and a resource of another name. */
export function useApiBench(): ApiBench {
  const state: { bench?: Workbench; api?: ApiServer } = {};
  let resources = 0;
  beforeAll(async () => void (state.bench = await openWorkbench()), 60_000);
  afterAll(() => state.bench!.close());
  beforeEach(async () => {
    resources++;
    state.api = await startApiServer((_request, response) => sendJson(response, []));
  });
  afterEach(() => state.api!.close());
  const own: ApiBench = {
    get bench() {
      return state.bench!;
    },
    get api() {
      return state.api!;
    },
    resource(http = {}, overrides = {}) {
      const name = `orders_${resources}`;
      return resourceOf({
        id: name,
        source: name,
        table: name,
        type: 'http',
        format: 'ndjson',
        path: '/orders',
        http: {
          url: own.api.url,
          headers: {},
          params: {},
          records: [],
          pagination: { type: 'none' },
          intervalMs: 0,
          allowPrivate: true,
          ...http,
        },
        ...overrides,
      });
    },
    extract: (resource, options = {}) =>
      extractHttp({
        database: own.bench.database,
        store: own.bench.store,
        env: 'dev',
        project: 'demo',
        root: own.bench.root,
        environment: { PLUMBLINE_PROJECT_ENV: '*' },
        runId: 'run-1',
        pausesMs: [10, 10, 10, 10],
        timeoutMs: 2_000,
        resource,
        ...options,
      }),
    async records({ objects }) {
      const texts = await Promise.all(objects.map(({ sha256 }) => own.bench.store.read(sha256)));
      return texts.flatMap((text) => text.toString().split('\n')).filter((line) => line !== '');
    },
    async run(resource, runId, options = {}) {
      const { database, store } = own.bench;
      const base = { database, store, env: 'dev', project: 'demo', schemas, resource, runId };
      const extract = await own.extract(resource, { runId, ...options });
      const loads: LoadResult[] = [];
      for (const object of extract.objects) loads.push(await loadObject({ ...base, object }));
      const { cursorFrom: from, cursorTo: to } = await landedExtract(database, extract.extractId, resource.cursor);
      const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
      const cursor = resource.cursor === undefined ? {} : { cursor: range };
      return { extract, loads, published: await publishResource({ ...base, loads, ...cursor }) };
    },
  };
  return own;
}
