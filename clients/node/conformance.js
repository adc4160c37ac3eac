// Makes the call that the words of a row describe, and prints how it went as one JSON line: one row
// in the arguments, or many on standard input. clients/README.md says what the words mean.
'use strict';

const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const { Client, Refusal, addTensor, tensor, decoded, protos } = require('./hasten');

const DEADLINE_US = 20_000_000;

function requestOf(w) {
  const request = { model_name: w.model, id: w.id ?? '', parameters: {} };
  const shape = (w.shape ?? '').split(',').map(Number);
  const values = w.values ? w.values.split(',').map(Number) : [];
  if (w.text) {
    addTensor(request, w.input, 'BYTES', shape, [w.text]);
  } else if (w.typed) {
    const contents = { fp32_contents: values };
    request.inputs = [{ name: w.input, datatype: 'FP32', shape, contents }];
  } else {
    const numbers = w.zeros ? new Float32Array(Number(w.zeros)) : Float32Array.from(values);
    addTensor(request, w.input, 'FP32', shape, numbers);
  }
  if (w.classes) {
    const parameters = { classification: { int64_param: Number(w.classes) } };
    request.outputs = [{ name: w.output, parameters }];
  }
  if (w.priority) request.parameters.priority = { uint64_param: Number(w.priority) };
  if (w.tenant) request.parameters.tenant = { string_param: w.tenant };
  return request;
}

function refused(error) {
  if (!(error instanceof Refusal)) throw error;
  const { status, reason, facts, begun, retryAfterS } = error;
  return { status, reason, facts, begun, ...(retryAfterS !== null && { retry_after_s: retryAfterS }) };
}

function answered(w, response) {
  const said = { status: 'OK', id: response.id };
  const at = response.outputs.findIndex((output) => output.name === w.output);
  if (at >= 0) {
    const values = tensor(response, w.output);
    said.bytes = response.raw_output_contents[at].length;
    if (response.outputs[at].datatype === 'BYTES') said.texts = values.map(String);
    else said.values = Array.from(values.subarray(0, 4), Number);
  }
  return said;
}

async function infer(w, client) {
  const metadata = new grpc.Metadata();
  if (w.gzip) metadata.set('hasten-compress', 'gzip');
  if (w.timing) metadata.set('hasten-timing', '1');
  const deadlineMs = Number(w.deadline_us ?? DEADLINE_US) / 1000;
  let said = { status: 'OK' };
  let count = 0;
  let worst = 0;
  while (said.status === 'OK' && count < Number(w.repeat ?? 1)) {
    const began = performance.now();
    const { promise, call } = client.infer(requestOf(w), deadlineMs, metadata);
    const ended = new Promise((resolve) => { call.on('status', resolve); });
    said = await promise.then((response) => answered(w, response), refused);
    const took = performance.now() - began;
    said.took_ms = took;
    worst = Math.max(worst, took);
    if (said.status === 'OK') count += 1;
    for (const bytes of (await ended).metadata.get('hasten-timing-bin')) {
      const timing = decoded('hasten.common.v1.Timing', bytes);
      Object.assign(said, { compute_us: timing.compute_us, worker: timing.worker_id });
    }
  }
  return { ...said, answered: count, late_ms: worst - deadlineMs };
}

// Sends one request for each model of the list at once; the model's name is its id.
async function stream(w, client) {
  const models = w.models.split(',');
  const call = client.stub.ModelStreamInfer({ deadline: Date.now() + 20_000 });
  for (const model of models) call.write(requestOf({ ...w, model, id: model }));
  call.end();
  const order = [];
  const failed = [];
  for await (const { error_message: error, infer_response: response } of call) {
    order.push(response.id);
    if (error) failed.push(response.parameters.hasten_reason.string_param);
  }
  return { status: 'OK', order, failed };
}

// Looks at health until it was told two states.
async function watch(w, client) {
  const Health = protos.grpc.health.v1.Health;
  const health = new Health(w.to, grpc.credentials.createInsecure(), client.options);
  const call = health.Watch({ service: 'readiness' }, { deadline: Date.now() + 20_000 });
  call.on('error', () => {}); // Of the cancelling.
  const saw = [];
  for await (const { status } of call) {
    saw.push(status);
    if (saw.length === 2) break;
  }
  call.cancel();
  health.close();
  return { status: 'OK', saw: saw.sort() };
}

// Gives a call up after a while.
async function cancel(w, client) {
  const { promise, call } = client.infer(requestOf(w), DEADLINE_US / 1000);
  setTimeout(() => call.cancel(), Number(w.after_ms));
  return promise.then((response) => answered(w, response), refused);
}

async function run(row) {
  const [verb, ...words] = row;
  const w = Object.fromEntries(words.map((word) => word.split(/=(.*)/s)));
  const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
  const client = new Client(w.to.split(','), w.gzip ? gzip : {});
  console.log(JSON.stringify(await { infer, stream, watch, cancel }[verb](w, client)));
  client.close();
}

async function main() {
  if (process.argv.length > 2) {
    await run(process.argv.slice(2));
    return;
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await run(line.trim().split(/\s+/));
  }
}

main();
