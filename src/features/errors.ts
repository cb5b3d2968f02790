export const featuresErrorCodes = {
  FEATURES_UNKNOWN_VIEW:
    '`train.features` names a feature view that has no file in features/. Correct the name or add the file.',
  FEATURES_SQL: 'PostgreSQL refused the SELECT of a feature view or of the labels. Correct the file and line named.',
  FEATURES_COLUMN_MISSING:
    'A column named in the header (entity, event_time, known_at, leak_accepted, label_time, target) is not in the SELECT.',
  FEATURES_COLUMN_TYPE:
    'A column has a type that cannot be used as what it is: features and target are numbers, booleans or texts, times are dates or timestamps.',
  FEATURES_ENTITY_MISMATCH:
    'The entity of a feature view is not among the entity columns of the labels, or has a type that does not compare with theirs.',
  FEATURES_DUPLICATE_COLUMN:
    'Two columns of the training set would have the same name (upper and lower case count as the same). Rename one with AS.',
  FEATURES_NO_COLUMNS:
    'A feature view has no column besides its entity and times. Add at least one feature to its SELECT.',
  FEATURES_KNOWN_AT:
    'A feature view over a table that is rewritten has no known_at, so old rows may hold later knowledge. Add `known_at:`, or `known_at_assumed:` with the reason.',
  FEATURES_NO_MATCH:
    'No label row finds any row of a feature view. Check that entity values and times of the two fit together.',
  FEATURES_VALUE:
    'A value cannot be used: an infinite number, or a missing entity or label time. Filter or correct it in the SELECT.',
  FEATURES_TARGET:
    'The target has no value, one single value, or no number at all in the training rows, so there is nothing to learn.',
  FEATURES_DUPLICATE_LABELS:
    'Two label rows have the same entity and label time. Make the SELECT of the labels give one row for each.',
  FEATURES_TOO_FEW_ROWS: 'Too few label rows before or after `test_from`. Move `test_from` or add labels.',
  FEATURES_TEST_FROM: '`test_from` is not a date or timestamp that PostgreSQL can read.',
  FEATURES_LEAK:
    'Feature columns are not known when the prediction is made, or are the target in disguise. Remove or lag the columns named; accept a column that only looks like the target with `leak_accepted`.',
} as const;
