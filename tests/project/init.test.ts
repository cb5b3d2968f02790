import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { initProject, refreshSchema, SCHEMA_FILE, TEMPLATES } from '../../src/project/init-project.js';
import { projectJsonSchema } from '../../src/project/json-schema.js';
import { loadProject } from '../../src/project/load-project.js';
import { temporaryFolder } from './write-project.js';

describe('initProject', () => {
  it.each(TEMPLATES)('writes a project that loads, named after its folder: %s', async (template) => {
    const folder = join(await temporaryFolder(), 'my-shop');
    const made = await initProject({ folder, template });
    const project = await loadProject({ root: folder });
    expect([made.name, project.name, made.root]).toEqual(['my-shop', 'my-shop', folder]);
    expect(made.files).toContain(project.resources[0]?.path);
    expect(project.train).toBeDefined();
    expect(await readFile(join(folder, '.gitignore'), 'utf8')).toContain('.plumbline/');
  });

  it('keeps the name of the template where the folder is no name', async () => {
    const folder = join(await temporaryFolder(), 'My Shop');
    expect((await initProject({ folder, template: 'minimal' })).name).toBe('minimal');
  });

  it('points editors to a schema inside the project', async () => {
    const folder = await temporaryFolder();
    await initProject({ folder, template: 'bike-demand' });
    const [first, second] = (await readFile(join(folder, 'plumbline.yaml'), 'utf8')).split('\n');
    expect(first).toBe('# yaml-language-server: $schema=.plumbline/plumbline.schema.json');
    expect(second).not.toContain('yaml-language-server');
    expect(await readFile(join(folder, SCHEMA_FILE), 'utf8')).toBe(projectJsonSchema());
    await writeFile(join(folder, SCHEMA_FILE), 'old');
    await refreshSchema(folder);
    expect(await readFile(join(folder, SCHEMA_FILE), 'utf8')).toBe(projectJsonSchema());
  });

  it('refuses a folder in use, a file and an unknown template, and writes nothing', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'thesis.doc'), 'x');
    await expect(initProject({ folder, template: 'minimal' })).rejects.toMatchObject({
      code: 'PROJECT_FOLDER_NOT_EMPTY',
      message: expect.stringContaining('thesis.doc') as string,
    });
    await expect(initProject({ folder: join(folder, 'thesis.doc'), template: 'minimal' })).rejects.toMatchObject({
      code: 'PROJECT_FOLDER_NOT_EMPTY',
    });
    await expect(initProject({ folder: join(folder, 'new'), template: 'bike_demand' })).rejects.toMatchObject({
      code: 'PROJECT_TEMPLATE_UNKNOWN',
      message: expect.stringContaining('did you mean "bike-demand"?') as string,
    });
    expect(await readdir(folder)).toEqual(['thesis.doc']);
  });
});
