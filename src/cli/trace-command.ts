import { connectDatabase } from '../client/connect.js';
import { trace, type TraceNode } from '../client/trace.js';
import { loadSettings } from '../config.js';
import { projectName } from '../project/project-name.js';
import { pc } from './colors.js';
import { printableLine } from './printable.js';

export async function traceCommand(
  subject: string,
  options: { readonly env: string; readonly json: boolean },
): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const database = connectDatabase(settings);
  try {
    const project = await projectName(settings.root, options.env);
    const node = await trace({ database, env: options.env, project }, subject);
    process.stdout.write(options.json ? `${JSON.stringify(node, null, 2)}\n` : renderTrace(node));
  } finally {
    await database.close();
  }
}

/** A tree, one line a node: what it is, its name, what identifies it. */
export function renderTrace(node: TraceNode, depth = 0): string {
  const facts = Object.entries(node.facts)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name} ${/^[0-9a-f]{64}$/.test(value) && name !== 'sha256' ? value.slice(0, 12) : value}`)
    .join('   ');
  const branch = depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `;
  const line = `${branch}${pc.cyan(node.kind)} ${pc.bold(printableLine(node.name))}   ${pc.dim(facts)}\n`;
  return line + node.from.map((child) => renderTrace(child, depth + 1)).join('');
}
