import { z } from 'zod';
import { projectSchema } from './schema/project.js';

/** JSON Schema of plumbline.yaml, for editors; the file schema/plumbline.schema.json is this text. */
export function projectJsonSchema(): string {
  const schema = z.toJSONSchema(projectSchema, { io: 'input', target: 'draft-7' });
  const titled = { ...schema, title: 'plumbline.yaml', description: 'A plumbline project.' };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
