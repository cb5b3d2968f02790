import { spawnSync } from 'node:child_process';
import { fitGradientBoosting } from '../src/training/gradient-boosting/fit-gradient-boosting.js';
import { predictGradientBoosting } from '../src/training/gradient-boosting/predict-gradient-boosting.js';
import type { FloatMatrix } from '../src/training/gradient-boosting/boosting-model.js';

/**
 * Wall and CPU seconds of one binary fit (28 features, 100 trees, 31 leaves, 255 bins), and the ratios to LightGBM on
 * the same rows when PLUMBLINE_BENCH_PYTHON names a Python that has lightgbm and numpy. A tenth of the rows is held out.
 *
 * PLUMBLINE_BENCH_ROWS=100000,1000000  PLUMBLINE_BENCH_THREADS=2
 */
const FEATURES = 28;
const TEST_SHARE = 0.1;
const rowCounts = (process.env['PLUMBLINE_BENCH_ROWS'] ?? '100000').split(',').map(Number);
const threads = Number(process.env['PLUMBLINE_BENCH_THREADS'] ?? 2);
const python = process.env['PLUMBLINE_BENCH_PYTHON'];

for (const rows of rowCounts) {
  const { X, y } = makeRows(rows);
  const testFrom = Math.floor(rows * (1 - TEST_SHARE));
  const train = slice(X, 0, testFrom);
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  const model = await fitGradientBoosting({ X: train, y: y.slice(0, testFrom), objective: 'binary', seed: 1, threads });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuStart);
  const cpuSeconds = round((user + system) / 1e6);
  const probability = predictGradientBoosting(model, slice(X, testFrom, rows));
  const result = {
    rows: testFrom,
    threads,
    seconds: round(seconds),
    cpuSeconds,
    logLoss: logLoss(y.slice(testFrom), probability),
  };
  const lightgbm = python === undefined ? undefined : runLightgbm(python, X, y, testFrom);
  console.log(
    JSON.stringify({
      ...result,
      lightgbm,
      ratio: lightgbm && round(seconds / lightgbm.seconds),
      cpuRatio: lightgbm && round(cpuSeconds / lightgbm.cpuSeconds),
    }),
  );
}

/** Smooth, discrete and useless features; the label depends on sums, products and a threshold. */
function makeRows(rows: number): { X: FloatMatrix; y: Float64Array } {
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state >>> 0) + 0.5) / 4294967296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const columns = Array.from({ length: FEATURES }, (_, feature) =>
    Float32Array.from({ length: rows }, () => (feature % 7 === 6 ? Math.floor(random() * 24) : normal())),
  );
  const at = (feature: number, row: number): number => columns[feature]![row]!;
  const y = Float64Array.from({ length: rows }, (_, row) => {
    const score = at(0, row) + at(1, row) * at(2, row) + (at(6, row) > 17 ? 1.5 : -0.5) + Math.abs(at(3, row)) - 0.8;
    return random() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
  });
  return { X: { rows, columns }, y };
}

function slice(X: FloatMatrix, from: number, to: number): FloatMatrix {
  return { rows: to - from, columns: X.columns.map((column) => column.slice(from, to)) };
}

function logLoss(y: Float64Array, probability: Float64Array): number {
  return round(
    y.reduce((sum, label, row) => sum - Math.log(label === 1 ? probability[row]! : 1 - probability[row]!), 0) /
      y.length,
  );
}

function round(value: number): number {
  return Number(value.toFixed(4));
}

function runLightgbm(
  command: string,
  X: FloatMatrix,
  y: Float64Array,
  testFrom: number,
): { seconds: number; cpuSeconds: number; logLoss: number } {
  const input = Buffer.concat([...X.columns, Float32Array.from(y)].map((column) => Buffer.from(column.buffer)));
  const script = `
import json, sys, time
import lightgbm, numpy
rows, test_from, threads = map(int, sys.argv[1:])
table = numpy.frombuffer(sys.stdin.buffer.read(), dtype=numpy.float32).reshape(${FEATURES + 1}, rows)
X, y = numpy.ascontiguousarray(table[:-1].T), table[-1]
start, cpu_start = time.perf_counter(), time.process_time()
model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, learning_rate=0.1, max_bin=255, n_jobs=threads, verbose=-1)
model.fit(X[:test_from], y[:test_from])
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
p = model.predict_proba(X[test_from:])[:, 1]
loss = -numpy.mean(numpy.where(y[test_from:] == 1, numpy.log(p), numpy.log(1 - p)))
print(json.dumps({"seconds": round(seconds, 4), "cpuSeconds": round(cpu, 4), "logLoss": round(float(loss), 4)}))
`;
  const { stdout, stderr, status } = spawnSync(
    command,
    ['-c', script, String(X.rows), String(testFrom), String(threads)],
    {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 20,
    },
  );
  if (status !== 0) throw new Error(`LightGBM ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as { seconds: number; cpuSeconds: number; logLoss: number };
}
