// Calls Hasten: machine-learning inference that keeps deadlines.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const ROOT = path.join(__dirname, '..', '..', 'protos');
const SERVICE_CONFIG = fs.readFileSync(path.join(__dirname, '..', 'service_config.json'), 'utf8');
// The stubs are made of the protos when this is loaded.
const protos = grpc.loadPackageDefinition(
  protoLoader.loadSync(
    ['inference/inference.proto', 'grpc/health/v1/health.proto', 'google/rpc/status.proto',
      'google/rpc/error_details.proto', 'hasten/common/v1/timing.proto'],
    { includeDirs: [ROOT], longs: Number, enums: String, defaults: true, oneofs: true, keepCase: true },
  ),
);
const READERS = {
  BOOL: Uint8Array, UINT8: Uint8Array, INT8: Int8Array, UINT16: Uint16Array, INT16: Int16Array,
  UINT32: Uint32Array, INT32: Int32Array, UINT64: BigUint64Array, INT64: BigInt64Array,
  FP32: Float32Array, FP64: Float64Array,
};

/** Why a call was not answered. */
class Refusal extends Error {
  /**
   * @param {grpc.ServiceError} error of a call: grpc-js does not read the details by itself.
   * `status` is the gRPC status, `reason` one of docs/errors.md ('' when only gRPC said something),
   * `retryAfterS` how long to wait before this server is asked again (null without a hint),
   * `facts` are of the case, `begun` says that the model began to run it, or nobody knows.
   */
  constructor(error) {
    super(error.details);
    this.name = 'Refusal';
    this.status = grpc.status[error.code];
    this.reason = '';
    this.retryAfterS = null;
    this.facts = {};
    this.begun = true;
    for (const bytes of error.metadata?.get('grpc-status-details-bin') ?? []) {
      for (const { type_url: type, value } of decoded('google.rpc.Status', bytes).details) {
        if (type.endsWith('/google.rpc.ErrorInfo')) {
          const info = decoded('google.rpc.ErrorInfo', value);
          Object.assign(this, { reason: info.reason, facts: info.metadata });
          this.begun = info.metadata.started === 'true';
        } else if (type.endsWith('/google.rpc.RetryInfo')) {
          const { seconds, nanos } = decoded('google.rpc.RetryInfo', value).retry_delay;
          this.retryAfterS = seconds + nanos / 1e9;
        }
      }
    }
  }
}

/** A message of these protos, out of its bytes. */
function decoded(name, bytes) {
  return name.split('.').reduce((at, part) => at[part], protos).deserialize(bytes);
}

class Client {
  /**
   * Calls go round all routers, and once more elsewhere when one cannot serve.
   * @param {string[]} addresses of the routers, each "host:port", of numbers when there are several
   * @param {object} [options] of the channel
   * @param {grpc.ChannelCredentials} [credentials] none for no TLS
   */
  constructor(addresses, options = {}, credentials = grpc.credentials.createInsecure()) {
    const target = addresses.length > 1 ? `ipv4:${addresses.join(',')}` : addresses[0];
    this.options = {
      'grpc.service_config': SERVICE_CONFIG,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      ...options,
    };
    this.stub = new protos.inference.GRPCInferenceService(target, credentials, this.options);
  }

  /**
   * Asks for an answer within the deadline.
   * @returns {{promise: Promise<object>, call: grpc.ClientUnaryCall}} the promise fails with a
   * Refusal; `call` can be cancelled, and gives the trailers by its event 'status'
   */
  infer(request, deadlineMs, metadata = new grpc.Metadata()) {
    let call;
    const promise = new Promise((resolve, reject) => {
      const options = { deadline: new Date(Date.now() + deadlineMs) };
      call = this.stub.ModelInfer(request, metadata, options, (error, response) =>
        (error ? reject(new Refusal(error)) : resolve(response)));
    });
    return { promise, call };
  }

  close() {
    this.stub.close();
  }
}

/** Adds an input to a request: a typed array, or an array of strings for BYTES. */
function addTensor(request, name, datatype, shape, values) {
  const raw = datatype === 'BYTES'
    ? Buffer.concat(values.flatMap((value) => {
      const bytes = Buffer.from(value);
      const size = Buffer.alloc(4);
      size.writeUInt32LE(bytes.length);
      return [size, bytes];
    }))
    : Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  (request.inputs ??= []).push({ name, datatype, shape });
  (request.raw_input_contents ??= []).push(raw);
}

/** Reads an output: a typed array, an array of Buffers for BYTES, bytes for FP16 and BF16. */
function tensor(response, name) {
  const at = response.outputs.findIndex((output) => output.name === name);
  if (at < 0) throw new RangeError(`the answer has no output ${name}`);
  const raw = response.raw_output_contents[at];
  const { datatype } = response.outputs[at];
  if (datatype !== 'BYTES') {
    const Reader = READERS[datatype] ?? Uint8Array;
    return new Reader(Uint8Array.from(raw).buffer); // Copied, as values have to be aligned.
  }
  const values = [];
  for (let begin = 4; begin <= raw.length;) {
    const end = begin + raw.readUInt32LE(begin - 4);
    values.push(raw.subarray(begin, end));
    begin = end + 4;
  }
  return values;
}

module.exports = { Client, Refusal, addTensor, tensor, decoded, protos };
