import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { INSTALLATION } from '../support/stack.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TESTS = 'tests/faults/load-once.test.ts';
const FENCED = 'a writer whose load was taken over commits nothing';
const RESUMED = 'a later run goes on where one that died stopped, and finds its load again';

interface Mutation {
  readonly file: string;
  readonly text: string;
  readonly becomes: string;
}

/** The lines that make a load happen once; without either, a named test of load-once.test.ts must fail. */
const COMPARE_AND_SET: Mutation = {
  file: 'elt/load/commit-chunk.js',
  text: `WHERE load_id = $1 AND token = $2 AND next_chunk = $3 AND status = 'loading'`,
  becomes: 'WHERE load_id = $1 AND $2::bigint IS NOT NULL AND $3::int IS NOT NULL',
};
const LOAD_KEY: Mutation = {
  file: 'elt/load/claim-load.js',
  text: 'unit: unitOf(object)',
  becomes: 'unit: `${runId}/${unitOf(object)}`',
};

describe('what makes a load happen once', { timeout: 120_000 }, () => {
  it('the tests pass on the program as it is', async () => {
    expect(await failedTests()).toEqual([]);
  });

  it(`the compare-and-set of a chunk deleted: "${FENCED}" fails`, async () => {
    expect(await failedTests(COMPARE_AND_SET)).toEqual([FENCED]);
  });

  it(`the load key built from the run: "${RESUMED}" fails`, async () => {
    expect(await failedTests(LOAD_KEY)).toContain(RESUMED);
  });
});

/** Runs load-once.test.ts in a process of its own, against a copy of the compiled program with one text changed. */
async function failedTests(mutation?: Mutation): Promise<string[]> {
  const copy = await mkdtemp(join(tmpdir(), 'plumbline-mutation-'));
  try {
    await cp(join(INSTALLATION, 'dist'), join(copy, 'dist'), {
      recursive: true,
      filter: (path) => !/\.(d\.ts|map)$/.test(path),
    });
    for (const name of ['node_modules', 'migrations', 'package.json'])
      await symlink(join(ROOT, name), join(copy, name));
    if (mutation !== undefined) {
      const path = join(copy, 'dist', mutation.file);
      const text = await readFile(path, 'utf8');
      expect(text.split(mutation.text), `${mutation.file} holds the text once`).toHaveLength(2);
      await writeFile(
        path,
        text.replace(mutation.text, () => mutation.becomes),
      );
    }
    return await run(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function run(installation: string): Promise<string[]> {
  const report = join(installation, 'report.json');
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS)/.test(name));
  const child = spawn(
    process.execPath,
    [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', TESTS, '--reporter=json', `--outputFile=${report}`],
    {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), PLUMBLINE_TEST_INSTALLATION: installation },
      stdio: 'ignore',
    },
  );
  await new Promise((resolve) => child.once('close', resolve));
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as {
    testResults: { message: string; assertionResults: { title: string; status: string }[] }[];
  };
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  expect(tests.length, testResults.map(({ message }) => message).join('\n')).toBe(2);
  return tests.filter(({ status }) => status !== 'passed').map(({ title }) => title);
}
