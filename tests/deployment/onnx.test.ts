import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkParity } from '../../src/deployment/check-parity.js';
import { assertOwnOnnx, inspectOnnx } from '../../src/deployment/onnx-inspection.js';
import { openOnnxModel } from '../../src/deployment/onnx-model.js';
import type { ColumnTable } from '../../src/table/column-table.js';
import { demandSignature, fixtureModel } from './new-version.js';

const v1 = fixtureModel('demand-v1.onnx');

describe('inspectOnnx', () => {
  it('names the operator domains and counts the nodes', () => {
    expect(inspectOnnx(v1)).toEqual({ domains: new Set(['', 'ai.onnx.ml']), externalTensors: [], nodes: 5 });
    expect(inspectOnnx(fixtureModel('treecl.onnx')).domains).toEqual(new Set(['ai.onnx.ml']));
  });

  it('refuses custom operators, external tensors and files beyond the bound, naming each', () => {
    expect(() => assertOwnOnnx(fixtureModel('custom-domain.onnx'))).toThrowError(
      expect.objectContaining({
        code: 'DEPLOY_ONNX_DOMAIN',
        message: expect.stringContaining('com.example.custom') as string,
      }),
    );
    expect(() => assertOwnOnnx(fixtureModel('external-data.onnx'))).toThrowError(
      expect.objectContaining({
        code: 'DEPLOY_ONNX_EXTERNAL_DATA',
        message: expect.stringContaining('"weight"') as string,
      }),
    );
    expect(() => assertOwnOnnx(v1, 100)).toThrowError(expect.objectContaining({ code: 'DEPLOY_ONNX_TOO_LARGE' }));
  });

  it('refuses every truncation of a model, and random bytes, with a typed error', async () => {
    for (let length = 0; length < v1.byteLength; length += 7) {
      const cut = v1.subarray(0, length);
      await expect(openOnnxModel({ onnx: cut, signature: demandSignature }), `${length} bytes`).rejects.toMatchObject({
        code: expect.stringMatching(/^DEPLOY_ONNX_/) as string,
      });
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          inspectOnnx(bytes);
        } catch (error) {
          expect((error as { code?: string }).code).toBe('DEPLOY_ONNX_INVALID');
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('openOnnxModel', () => {
  it('answers in the order of the rows, with missing and unknown values as the graph states', async () => {
    const model = await openOnnxModel({ onnx: v1, signature: demandSignature });
    const answer = await model.predict([Float32Array.of(1, NaN, 3.5), ['summer', 'winter', 'autumn']], 3);
    expect([...answer]).toEqual([115, 205, 40]);
    await model.close();
  });

  it('refuses a graph whose inputs or outputs are not those of the signature', async () => {
    const open = (file: string, signature = demandSignature) => openOnnxModel({ onnx: fixtureModel(file), signature });
    await expect(open('treecl.onnx')).rejects.toMatchObject({
      code: 'DEPLOY_ONNX_SIGNATURE',
      message: expect.stringContaining('"temperature" is not in the graph') as string,
    });
    await expect(open('other-output.onnx')).rejects.toMatchObject({
      message: expect.stringContaining('output "prediction"') as string,
    });
    const [temperature, season] = demandSignature.inputs;
    await expect(open('demand-v1.onnx', { ...demandSignature, inputs: [temperature!] })).rejects.toMatchObject({
      message: expect.stringContaining('asks for "season"') as string,
    });
    await expect(
      open('demand-v1.onnx', { ...demandSignature, inputs: [temperature!, { ...season!, datatype: 'FP32' }] }),
    ).rejects.toMatchObject({ message: expect.stringContaining('"season" is string') as string });
  });
});

describe('checkParity', () => {
  // Rows without a season are among those below.
  const signature = {
    ...demandSignature,
    inputs: demandSignature.inputs.map((input) => ({ ...input, nullable: true })),
  };
  // 1,500 rows: more than one batch, with missing temperatures.
  const rows = 1_500;
  const temperature = Float64Array.from({ length: rows }, (_, row) => (row % 10 === 0 ? NaN : (row % 400) / 10));
  const season = Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? 'summer' : row % 3 === 1 ? 'winter' : null));
  const table: ColumnTable = {
    rowCount: rows,
    columns: new Map([
      ['temperature', { kind: 'number', values: temperature }],
      ['season', { kind: 'text', values: season }],
    ]),
  };
  const truth = (row: number) =>
    10 * (Number.isNaN(temperature[row]!) ? 20 : Math.fround(temperature[row]!)) +
    (season[row] === 'summer' ? 100 : 0) +
    5;
  const predictions = Float64Array.from({ length: rows }, (_, row) => truth(row));

  it('passes when onnxruntime reproduces every held-out row, alone and in batches', async () => {
    const report = await checkParity({ onnx: v1, signature, table, predictions });
    expect(report).toMatchObject({ passed: true, rows, tolerance: 1e-5, batchSizes: [1, 1024] });
    expect(report.maxRelativeDelta).toBeLessThan(1e-6);
  });

  it('names the worst row when one prediction differs by more than the tolerance', async () => {
    const wrong = predictions.slice();
    wrong[3]! += 0.05;
    wrong[1_234]! += 0.5;
    await expect(checkParity({ onnx: v1, signature, table, predictions: wrong })).rejects.toMatchObject({
      code: 'DEPLOY_PARITY',
      message: expect.stringContaining('row 1234') as string,
    });
  });

  it('accepts a difference below and refuses one above 1e-5 of the larger of value and spread', async () => {
    const sd = 131; // of `predictions`, rounded: the value itself is larger for row 1.
    const nudge = async (share: number) => {
      const moved = predictions.slice();
      moved[1]! += share * Math.max(sd, Math.abs(moved[1]!));
      return checkParity({ onnx: v1, signature, table, predictions: moved });
    };
    await expect(nudge(0.5e-5)).resolves.toMatchObject({ passed: true });
    await expect(nudge(2e-5)).rejects.toMatchObject({ code: 'DEPLOY_PARITY' });
  });

  it('does not take NaN for parity', async () => {
    const broken = predictions.slice();
    broken[5] = NaN;
    await expect(checkParity({ onnx: v1, signature, table, predictions: broken })).rejects.toMatchObject({
      code: 'DEPLOY_PARITY',
      message: expect.stringContaining('row 5 ') as string,
    });
  });

  it('refuses a held-out row that serving would refuse', async () => {
    await expect(checkParity({ onnx: v1, signature: demandSignature, table, predictions })).rejects.toMatchObject({
      code: 'DEPLOY_PARITY',
      message: expect.stringContaining('row 2 (counted from 0) has no season') as string,
    });
  });

  it('refuses a table without one of the columns, and a wrong number of predictions', async () => {
    const { rowCount, columns } = table;
    const less = { rowCount, columns: new Map([['temperature', columns.get('temperature')!]]) };
    await expect(checkParity({ onnx: v1, signature, table: less, predictions })).rejects.toMatchObject({
      code: 'DEPLOY_ONNX_SIGNATURE',
      message: expect.stringContaining('"season"') as string,
    });
    await expect(
      checkParity({ onnx: v1, signature, table, predictions: predictions.subarray(1) }),
    ).rejects.toMatchObject({ code: 'DEPLOY_PARITY' });
  });
});
