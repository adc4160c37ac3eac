// Classifies a sentence within five seconds: node example.js localhost:8001
'use strict';

const { Client, Refusal, addTensor, tensor } = require('./hasten');

async function main() {
  const client = new Client(process.argv.slice(2));
  const request = { model_name: 'tickets' };
  addTensor(request, 'text', 'BYTES', [1, 1], ['the parcel is late']);
  try {
    const response = await client.infer(request, 5000).promise;
    console.log(tensor(response, 'probabilities'));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(`not answered: ${error.status} ${error.reason}; come back in ${error.retryAfterS} s`);
    process.exitCode = 1;
  }
  client.close();
}

main();
