export const servingErrorCodes = {
  SERVE_INPUT_MISSING:
    'A request lacks one of the model’s inputs. Send every input; null where a value is missing and the input allows it.',
  SERVE_INPUT_UNKNOWN: 'A request names an input that the model does not have, or names one twice.',
  SERVE_INPUT_INVALID:
    'A value is not of the input’s type, not finite, or null where the model knows no missing values. Nothing is converted.',
  SERVE_INPUT_SHAPE: 'A tensor’s shape or number of values is not [rows, 1], the same for every input.',
  SERVE_INPUT_DATATYPE: 'A tensor’s datatype is not that of the model’s input.',
  SERVE_OUTPUT_UNKNOWN: 'A request asks for an output that the model does not have.',
  SERVE_BODY_INVALID: 'The request body is not JSON, has a key twice, or is not of the form the address takes.',
  SERVE_BODY_TOO_LARGE: 'The request body is larger than the bound; send fewer rows at a time.',
  SERVE_MEDIA_TYPE: 'The request body must be application/json.',
  SERVE_MODEL_UNKNOWN: 'No model of that name, or not that version of it, is served here.',
  SERVE_MODEL_NOT_READY: 'The model’s version could not be loaded and no earlier one serves; see /v2/health.',
  SERVE_URL_INVALID: 'The address is not a valid URL: a % must be followed by two hexadecimal digits of UTF-8.',
  SERVE_ROUTE_UNKNOWN: 'The server has no such address.',
  SERVE_KEY_REQUIRED: 'The request has no valid key. Send `Authorization: Bearer <key>`.',
  SERVE_HOST_WITHOUT_KEYS: 'Listening beyond loopback needs keys. Set PLUMBLINE_SERVE_KEYS.',
  SERVE_PORT_TAKEN: 'Another program listens on the port. Choose one with --port.',
  SERVE_SPOOL_FULL:
    'The prediction log’s local spool is full or cannot be written; predictions are refused until PostgreSQL takes it.',
  SERVE_PREDICTION_INVALID: 'The model gave a value that is not a finite number.',
  SERVE_UNREACHABLE: 'The prediction server does not answer. Start it with `plumbline up` or `plumbline serve`.',
  SERVE_INTERNAL: 'The server met an error of its own; its log tells which.',
} as const;

export type ServingErrorCode = keyof typeof servingErrorCodes;
