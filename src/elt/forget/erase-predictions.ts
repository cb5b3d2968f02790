import { erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';

/** The log of predictions whose input has the key; what a server has not copied from its spool yet is not there. */
export async function erasePredictions(work: Erasure): Promise<void> {
  const { project, key, value } = work;
  await erase(work, 'predictions', 'plumbline.predictions', (session) =>
    session.execute(`DELETE FROM plumbline.predictions WHERE env = $1 AND project = $2 AND inputs ->> $3 IN ($4, $5)`, [
      project.env,
      project.name,
      key.predictions,
      value,
      normalKey(value, 'numeric'),
    ]),
  );
}
