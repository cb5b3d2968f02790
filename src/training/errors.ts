export const trainingErrorCodes = {
  TRAIN_TASK_MISMATCH: 'The trainer cannot learn this kind of target. Choose a trainer that fits the task.',
  TRAIN_PARAMETER_UNKNOWN: 'The trainer has no parameter of that name. Use one of the names the message lists.',
  TRAIN_PARAMETER_INVALID: 'A parameter of the trainer is outside its range.',
  TRAIN_COLUMN_MISSING: 'The training set lacks a column that it should have. Build the training set again.',
  TRAIN_COLUMN_TYPE: 'A column of the training set cannot be used as it is. Cast it in its SQL file.',
  TRAIN_FEATURE_INFINITE:
    'A feature holds infinite values, or values too large for float32. Make them NULL or rescale them.',
  TRAIN_NO_FEATURES: 'The training set has no feature. Name feature views under train.features.',
  TRAIN_TARGET_INVALID: 'The target has missing, infinite or, for a binary task, other values than 0 and 1.',
  TRAIN_TARGET_CONSTANT: 'The target has a single value in the training rows, so there is nothing to learn.',
  TRAIN_TOO_FEW_ROWS: 'Too few rows to train or to evaluate. Load more data or move test_from.',
  TRAIN_TOO_MANY_ROWS: 'Gradient boosting sums exactly up to 2^25 rows. Train on a sample.',
  TRAIN_MATRIX_SHAPE: 'Features and target have different numbers of rows. Build the training set again.',
  TRAIN_MODEL_BYTES_INVALID: 'Stored boosting trees were cut or changed. Train the model again.',
  TRAIN_MEMORY: 'The rows do not fit into the memory of this machine. Use a larger one or fewer rows.',
  TRAIN_WORKER_FAILED:
    'A training thread ended before its work did, for want of memory as a rule; the step is tried again.',
  TRAIN_WORKER_MISSING: 'The compiled training worker is not there. Run `npm run build`.',
} as const;
