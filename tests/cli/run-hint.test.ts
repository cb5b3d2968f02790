import { expect, it } from 'vitest';
import { nextHint } from '../../src/cli/run-command.js';
import { loadSettings } from '../../src/config.js';

it('names the command that overrules the gates when they kept a version from serving', async () => {
  const settings = await loadSettings({ cwd: '/', env: {} });
  const result = {
    training: { model: 'shop', version: 3, metrics: {} },
    deployment: { status: 'not_deployed', reason: 'rmse better than champion: not computable: …' },
  };
  expect(await nextHint(settings, result, [])).toBe(
    ' Not deployed: a gate failed. What serves stays; `plumbline models promote shop 3 --reason …` overrules the gates.',
  );
});

it('names the address that serves only where it is known', async () => {
  const hint = async (env: NodeJS.ProcessEnv): Promise<string> =>
    nextHint(await loadSettings({ cwd: '/', env }), { deployment: { status: 'promoted', model: 'shop' } }, []);
  expect(await hint({ PLUMBLINE_SERVING_PORT: '8402' })).toContain(' Serving at http://127.0.0.1:8402/models/shop.');
  const unknown = await hint({});
  expect(unknown).not.toContain('8400');
  expect(unknown).toContain("plumbline predict shop --url http://… --json '{…}'");
});
