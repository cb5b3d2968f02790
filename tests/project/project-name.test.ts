import { expect, it } from 'vitest';
import { projectName } from '../../src/project/project-name.js';
import { writeProject } from './write-project.js';

it('gives the name of a project that is broken elsewhere', async () => {
  expect(await projectName(await writeProject({ 'plumbline.yaml': 'name: shop\nsorces: {}\n' }))).toBe('shop');
});

it('says what is wrong when there is no name', async () => {
  for (const yaml of ['', 'sources: {}\n', 'name: Shop\n'])
    await expect(projectName(await writeProject({ 'plumbline.yaml': yaml })), yaml).rejects.toMatchObject({
      code: expect.stringMatching(/^PROJECT_(KEY_MISSING|VALUE_INVALID)$/) as string,
    });
});
