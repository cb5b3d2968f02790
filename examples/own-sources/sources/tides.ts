import { defineSource } from 'plumbline';

interface Config {
  readonly days: number;
}

const START = Date.UTC(2025, 0, 1);
const HOUR_MS = 3_600_000;

export default defineSource<Config, number>({
  *tides({ state = -1, config, checkpoint }) {
    for (let day = state + 1; day < config.days; day++) {
      for (let hour = 0; hour < 24; hour++) {
        const at = new Date(START + (24 * day + hour) * HOUR_MS);
        yield { at, metres: 1.8 * Math.sin((2 * Math.PI * (24 * day + hour)) / 12.42) };
      }
      checkpoint(day);
    }
  },
});
