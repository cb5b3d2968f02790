import { expect, it } from 'vitest';
import { inputRules, unknownCategories } from '../../src/serving/request-inputs.js';
import { trainModel } from '../../src/training/train-model.js';
import { literalTrainingSet, numbers, texts } from '../training/training-set.js';

it('does not say of a category cut by max_categories that training did not see it', async () => {
  const rows = Array.from({ length: 60 }, (_, row) => row);
  const { signature } = await trainModel({
    ...literalTrainingSet({
      task: 'regression',
      target: 'y',
      features: ['shop'],
      columns: {
        shop: texts(...rows.map((row) => (row === 7 ? 'rare' : row % 2 === 0 ? 'north' : 'south'))),
        y: numbers(...rows.map((row) => row % 2)),
      },
      split: rows.map((row) => (row < 50 ? 'train' : 'test')),
    }),
    trainer: { type: 'linear', parameters: { maxCategories: 2 } },
    seed: 1,
  });
  expect(unknownCategories(inputRules(signature), [['north', 'rare', 'never']])).toEqual(
    ['rare', 'never'].map((category, index) => ({
      row: index + 1,
      input: 'shop',
      message: `category the string "${category}" is none of those the model knows: treated as missing`,
    })),
  );
});
