import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TerminalError } from '../errors.js';
import { makeStateFolder } from '../state-folder.js';
import { projectJsonSchema } from './json-schema.js';
import { PROJECT_FILE } from './load-project.js';
import { didYouMean } from '../model/nearest.js';

/** Folders of examples/, which are projects that run. */
export const TEMPLATES = ['minimal', 'bike-demand'] as const;
const EXAMPLES = new URL('../../examples/', import.meta.url);

/** Where a project keeps its copy of the schema, so that editors need no network. */
export const SCHEMA_FILE = '.plumbline/plumbline.schema.json';
const SCHEMA_LINE = `# yaml-language-server: $schema=${SCHEMA_FILE}`;

export interface NewProject {
  readonly root: string;
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * Writes a project that runs into `folder`, which is made when it is not there. It is named after the folder where that
 * is a possible name, else after the template. Throws PROJECT_FOLDER_NOT_EMPTY or PROJECT_TEMPLATE_UNKNOWN and writes nothing.
 */
export async function initProject(options: {
  readonly folder: string;
  readonly template: string;
}): Promise<NewProject> {
  const root = resolve(options.folder);
  const template = TEMPLATES.find((name) => name === options.template);
  if (template === undefined) {
    throw new TerminalError(
      'PROJECT_TEMPLATE_UNKNOWN',
      `Writing a project failed: there is no template ${JSON.stringify(options.template)}${didYouMean(options.template, TEMPLATES) || '.'}`,
      { next: `Use --template with one of ${TEMPLATES.join(', ')}.` },
    );
  }
  await refuseUsedFolder(root);
  const name = /^(?!pg(-|$))[a-z][a-z0-9-]{0,39}$/.test(basename(root)) ? basename(root) : template;
  await mkdir(root, { recursive: true });
  const source = fileURLToPath(new URL(`${template}/`, EXAMPLES));
  await cp(source, root, { recursive: true, filter: (path) => !path.slice(source.length).startsWith('.plumbline') });
  const yaml = await readFile(join(root, PROJECT_FILE), 'utf8');
  const own = yaml.replace(/^# yaml-language-server:.*\n/, '').replace(/^name: .*$/m, `name: ${name}`);
  await writeFile(join(root, PROJECT_FILE), `${SCHEMA_LINE}\n${own}`);
  await writeFile(join(root, '.gitignore'), '.plumbline/\n.env\n');
  await writeSchema(root);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((file) => !file.startsWith('.plumbline/'));
  return { root, name, files: files.sort() };
}

/** Brings the project's copy of the schema up to date when plumbline.yaml looks for it there: a fresh clone has none. */
export async function refreshSchema(root: string): Promise<void> {
  const yaml = await readFile(join(root, PROJECT_FILE), 'utf8').catch(() => '');
  if (!yaml.startsWith(SCHEMA_LINE)) return;
  // An editor's help is no reason to fail a command in a folder that cannot be written.
  await writeSchema(root).catch(() => undefined);
}

async function writeSchema(root: string): Promise<void> {
  await makeStateFolder(join(root, '.plumbline'));
  await writeFile(join(root, SCHEMA_FILE), projectJsonSchema());
}

async function refuseUsedFolder(root: string): Promise<void> {
  const entries = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR') return ['a file of that name'];
    throw error;
  });
  const own = entries.filter((name) => name !== '.git');
  if (own.length === 0) return;
  throw new TerminalError(
    'PROJECT_FOLDER_NOT_EMPTY',
    `Writing a project into ${root} failed: it holds ${own.slice(0, 3).join(', ')}${own.length > 3 ? ', …' : ''}, expected an empty folder.`,
    { details: { root, entries: own.length }, next: 'Name another folder: `plumbline init my-project`.' },
  );
}
