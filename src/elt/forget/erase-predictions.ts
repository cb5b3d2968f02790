import { erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';

/** The log of predictions whose input has the key; what a server has not copied from its spool yet is not there. */
export async function erasePredictions(work: Erasure): Promise<void> {
  const { project, key, value, spellings } = work;
  await erase(work, 'predictions', 'plumbline.predictions', (session) =>
    session.execute(
      // A number is compared as one, a text as it is: of texts, 042 is not 42.
      `DELETE FROM plumbline.predictions WHERE env = $1 AND project = $2 AND CASE jsonb_typeof(inputs -> $3)
         WHEN 'number' THEN trim_scale((inputs ->> $3)::numeric)::text = $5 ELSE inputs ->> $3 = ANY($4) END`,
      [project.env, project.name, key.predictions, spellings, normalKey(value, 'numeric')],
    ),
  );
}
