// A Singer tap: `--discover` tells what there is; else SCHEMA, RECORD and STATE messages, one a line.
import { readFileSync } from 'node:fs';

const stream = 'levels';
const schema = {
  properties: { sku: { type: 'string' }, on_hand: { type: 'integer' }, warehouse: { type: 'string' } },
};
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : JSON.parse(readFileSync(process.argv[at + 1], 'utf8'));
};
const say = (message) => console.log(JSON.stringify(message));

if (process.argv.includes('--discover')) {
  say({ streams: [{ tap_stream_id: stream, stream, schema, key_properties: ['sku'] }] });
} else {
  const { warehouse } = option('--config');
  const known = option('--state')?.version ?? 0;
  say({ type: 'SCHEMA', stream, schema, key_properties: ['sku'] });
  if (known < 1)
    for (const [sku, on_hand] of [['tea', 40], ['mug', 7], ['pot', 0]]) say({ type: 'RECORD', stream, record: { sku, on_hand, warehouse } }); // prettier-ignore
  say({ type: 'STATE', value: { version: 1 } });
}
