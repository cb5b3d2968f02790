import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { interpreter } from './python-command.js';

/** What a script defines, or why that cannot be told. */
export type ScriptNames =
  | {
      /** Names at the top of the module, in branches too. */
      readonly names: readonly string[];
      /** It may define others, which show only when it runs: `from x import *`, `globals()`, `__getattr__`. */
      readonly isOpen: boolean;
    }
  | { readonly syntax: { readonly line: number; readonly message: string } }
  /** There is no such interpreter, or it did not answer. */
  | { readonly unread: string };

/** Reads the source as the interpreter does, and runs none of it. Without site packages and the user's environment, so that nothing else runs either. */
const READ = `
import ast, json, sys

def names(body):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for one in node.names:
                yield (one.asname or one.name).split(".")[0]
        else:
            for one in ast.walk(node):
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                    yield one.id
            for part in ("body", "orelse", "finalbody"):
                yield from names(getattr(node, part, []))
            for part in ("handlers", "cases"):
                for one in getattr(node, part, []):
                    yield from names(one.body)

try:
    tree = ast.parse(sys.stdin.buffer.read())
    found = sorted(set(names(tree.body)))
    dynamic = {"globals", "setattr", "exec", "vars", "locals"}
    is_open = bool({"*", "__getattr__"} & set(found)) or any(isinstance(one, ast.Name) and one.id in dynamic for one in ast.walk(tree))
    print(json.dumps({"names": found, "isOpen": is_open}))
except (SyntaxError, ValueError) as error:
    print(json.dumps({"syntax": {"line": getattr(error, "lineno", None) or 1, "message": getattr(error, "msg", None) or str(error)}}))
`;

const PATIENCE_MS = 20_000;

/**
 * @param script relative to `root`
 * @param named the interpreter that the source names
 */
export async function pythonFunctions(root: string, script: string, named: string | undefined): Promise<ScriptNames> {
  const source = await readFile(join(root, script));
  const command = interpreter(root, named);
  return new Promise((resolve) => {
    const child = execFile(command, ['-I', '-S', '-c', READ], { timeout: PATIENCE_MS, maxBuffer: 16 << 20 }, (error, stdout) => {
      if (error !== null) return resolve({ unread: (error as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no ${command}` : `${command} could not read it` }); // prettier-ignore
      resolve(JSON.parse(stdout) as ScriptNames);
    }); // prettier-ignore
    // An interpreter that is none closes its input early.
    child.stdin?.on('error', () => {});
    child.stdin?.end(source);
  });
}
