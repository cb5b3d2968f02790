import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { calendarSql, labelsSql, small, temporaryFolder, writeProject } from './write-project.js';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;

function plumbline(cwd: string, ...command: string[]): { code: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: status, out: stdout, error: stderr };
}

describe.skipIf(!existsSync(main))('plumbline init and validate, as built', () => {
  it('init writes a project that validate accepts', async () => {
    const folder = await temporaryFolder();
    const made = plumbline(folder, 'init', 'my-shop');
    expect(made).toMatchObject({ code: 0, error: '' });
    expect(made.out).toContain('next: cd my-shop && plumbline up && plumbline run');
    const valid = plumbline(join(folder, 'my-shop', 'features'), 'validate');
    expect(valid).toMatchObject({ code: 0, error: '' });
    expect(valid.out).toContain('valid my-shop · dev');
    expect(valid.out).toContain('sources.sales.write = replace (the path is one file)');
  });

  it('validate --json gives the project without its SQL texts', async () => {
    const { code, out } = plumbline(await writeProject(small), 'validate', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ valid: true, project: { name: 'shop', features: [{ name: 'calendar' }] } });
    expect(out).not.toContain('SELECT');
  });

  it('validate says which data are not there, without failing', async () => {
    const { code, out } = plumbline(await writeProject(small), 'validate');
    expect(code).toBe(0);
    expect(out).toContain('sales: data/sales.csv is not there');
  });

  it('validate looks for the functions of Python sources without running them', async () => {
    const yaml = (python = '') => `name: shop
sources:
  api:
    type: python
    script: sources/api.py
    ${python}
    resources: { orders: {}, itmes: {}, later: {}, made: {}, taken: {} }
  open: { type: python, script: sources/open.py }
  broken: { type: python, script: sources/broken.py }
`;
    const root = await writeProject({
      'plumbline.yaml': yaml(),
      'sources/api.py': `raise SystemExit('it ran')\nfrom x import taken\nmade = lambda: []\ndef items():\n    def itmes(): pass\ntry:\n    import y\nexcept ImportError:\n    async def later(): yield 1\nelse:\n    class orders: pass\n`,
      'sources/open.py': `from x import *\n`,
      'sources/broken.py': `def broken():\n  return (\n`,
    });
    const { code, error } = plumbline(root, 'validate');
    expect(code).toBe(1);
    expect(error).toContain('✗ plumbline.yaml:7 (PROJECT_FUNCTION_UNKNOWN)\n  Reading plumbline.yaml failed: api.itmes is read by function itmes of sources/api.py, and there is none.\n  → Nearest name: items.'); // prettier-ignore
    expect(error).toMatch(/✗ sources\/broken.py:2 \(PROJECT_PYTHON_SYNTAX\)/);
    expect(error).toContain('2 problems');
    await writeFile(join(root, 'plumbline.yaml'), yaml('python: /nowhere/python').replace(/ {2}broken.*\n/, ''));
    const unread = plumbline(root, 'validate');
    expect(unread).toMatchObject({ code: 0, error: '' });
    expect(unread.out).toContain('! sources/api.py: its functions were not checked, as there is no /nowhere/python');
  });

  it('validate shows every problem with file, line and column, and exits with 1', async () => {
    const root = await writeProject({ ...small, 'plumbline.yaml': 'name: Shop\nsorces: {}\n' });
    const { code, error } = plumbline(root, 'validate');
    expect(code).toBe(1);
    expect(error).toContain('✗ plumbline.yaml:1:7 (PROJECT_VALUE_INVALID)');
    expect(error).toContain('✗ plumbline.yaml:2:1 (PROJECT_KEY_UNKNOWN)');
    expect(error).toContain('did you mean "sources"?');
    expect(error).toContain('2 problems');
    const json = plumbline(root, 'validate', '--json');
    expect(json.code).toBe(1);
    expect(
      (JSON.parse(json.out) as { error: { details: { problems: unknown[] } } }).error.details.problems,
    ).toHaveLength(2);
  });

  it.each([
    ['an unknown ref', 'sql/daily.sql', `SELECT *\nFROM {{ ref('dayly') }}\n`, 'sql/daily.sql:2', 'SQL_UNKNOWN_REF'],
    ['a circle', 'sql/daily.sql', `SELECT * FROM {{ ref('daily') }}\n`, 'sql/daily.sql', 'ELT_SQL_CYCLE'],
    ['a second statement', 'sql/daily.sql', 'SELECT 1;\nSELECT 2\n', 'sql/daily.sql:2', 'ELT_SQL_NOT_A_SELECT'],
    ['a template mistake', 'sql/daily.sql', 'SELECT {{ tody }}\n', 'sql/daily.sql:1', 'SQL_TEMPLATE'],
    [
      'an unknown source of labels',
      'labels.sql',
      labelsSql.replace("'sales'", "'sails'"),
      'labels.sql:5',
      'SQL_UNKNOWN_REF',
    ],
    [
      'a template mistake of a feature view',
      'features/calendar.sql',
      `${calendarSql}{% if %}\n`,
      'features/calendar.sql:5',
      'SQL_TEMPLATE',
    ],
  ])('validate refuses %s', async (_what, path, sql, at, code) => {
    const result = plumbline(await writeProject({ ...small, [path]: sql }), 'validate');
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(result.error).toContain(`failed (${code})`);
    expect(result.error).toContain(`\n  ${at}\n`);
  });

  it('doctor and down say that there is no project, and make nothing there', async () => {
    const folder = await temporaryFolder();
    const doctor = plumbline(folder, 'doctor');
    expect(doctor.code).toBe(3);
    expect(doctor.out).toContain(
      `✗ project          Reading the project failed: there is no plumbline.yaml in ${folder}.`,
    );
    expect(plumbline(folder, 'down')).toMatchObject({
      code: 1,
      error: expect.stringContaining('(PROJECT_NOT_FOUND)') as string,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('fails with one error and a next step outside a project, on a used folder and for an unknown template', async () => {
    const folder = await temporaryFolder();
    for (const [command, code] of [
      [['validate'], 'PROJECT_NOT_FOUND'],
      [['init', 'x', '--template', 'minmal'], 'PROJECT_TEMPLATE_UNKNOWN'],
      [['init', examples()], 'PROJECT_FOLDER_NOT_EMPTY'],
    ] as const) {
      const result = plumbline(folder, ...command);
      expect(result.code).toBe(1);
      expect(result.error).toContain(code);
      expect(result.error).toContain('→');
    }
    expect(plumbline(folder, 'init', '--tmplate', 'x').code).toBe(2);
  });

  it('a worker of no queue is not started', async () => {
    const { code, error } = plumbline(await temporaryFolder(), 'worker', '--queues', ' , ');
    expect(code).toBe(2);
    expect(error).toContain('Expected names of queues, such as default,heavy.');
  });
});

function examples(): string {
  return new URL('../../examples', import.meta.url).pathname;
}
