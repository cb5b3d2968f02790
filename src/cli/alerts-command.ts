import { sendTestAlerts } from '../alerts/send-test-alerts.js';
import { userName } from '../client/start-run.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import { allowOwnStack } from '../model/allow-own-stack.js';
import { loadProject } from '../project/load-project.js';
import { pc } from './colors.js';
import { table } from './format.js';
import { EXIT } from './print-error.js';

/** `plumbline alerts test`: sends from here, so that it needs neither worker nor database; exit code 1 when somebody did not take it. */
export async function testAlertsCommand(options: { readonly env: string; readonly json: boolean }): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const { root } = settings;
  const { name: project, alerts: config } = await loadProject({ root, env: options.env });
  if (config === undefined)
    throw new TerminalError('ALERTS_MISSING', `Testing the alerts of ${project} (${options.env}) failed: plumbline.yaml has none.`, {
      at: { file: 'plumbline.yaml' },
      next: 'Write `alerts: { webhook: env:ALERT_URL }`.',
    }); // prettier-ignore
  // As a worker of the same stack does it.
  const environment = { ...process.env };
  allowOwnStack(settings, environment);
  const tested = await sendTestAlerts({ env: options.env, project, root, by: userName(), config }, { environment });
  if (tested.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
  if (options.json) return void process.stdout.write(`${JSON.stringify(tested, null, 2)}\n`);
  const rows = tested.map(({ ok, receiver, answer }) => [ok ? pc.green('ok') : pc.red('failed'), receiver, answer]);
  process.stdout.write(
    `${table(rows)}\n${pc.dim('sent from here, with the variables of this shell; workers and servers use theirs')}\n`,
  );
}
