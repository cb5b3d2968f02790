export const deploymentErrorCodes = {
  DEPLOY_PARITY:
    'onnxruntime-node does not reproduce the trainer’s own predictions on the held-out rows, or serving would refuse one of them; the version is not registered.',
  DEPLOY_ONNX_INVALID: 'The model file is not a complete ONNX graph that onnxruntime can load.',
  DEPLOY_ONNX_TOO_LARGE: 'The model file is larger than the bound.',
  DEPLOY_ONNX_EXTERNAL_DATA: 'The ONNX graph keeps tensors in other files; every weight must be inside the graph.',
  DEPLOY_ONNX_DOMAIN: 'The ONNX graph uses operators outside of ONNX and ai.onnx.ml.',
  DEPLOY_ONNX_SIGNATURE: 'The inputs or outputs of the ONNX graph are not those of the model’s signature.',
  DEPLOY_MODEL_UNKNOWN: 'No such model, or none of that version, is registered.',
  DEPLOY_VERSION_NEEDED: 'No version was named to decide on, and not exactly one waits for approval.',
  DEPLOY_NO_ROLLBACK: 'There is no earlier version that served, so there is nothing to go back to.',
  DEPLOY_ENDED_OUTSIDE:
    'The workflow of a deployment was ended in Temporal while it waited; what serves stays. `plumbline models promote` lets the version serve.',
  DEPLOY_DIGEST_CHANGED: 'The decision names another content than the registered version has.',
} as const;
