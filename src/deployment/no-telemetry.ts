// onnxruntime's official builds report sessions and model names to their maker unless told not to when the library is
// loaded. Nothing a user trains or serves leaves their machines: imported before the runtime, and not to be overridden.
process.env['ORT_DISABLE_TELEMETRY'] = '1';
