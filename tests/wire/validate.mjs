// validate.mjs SCHEMAS_DIR < messages.jsonl
//
// Each line is {"topic": ..., "payload": ...}, the payload as JSON. Says on standard output, as one line of JSON, how many
// messages of each schema were valid. Exit status: 0 all were, 1 one was not (told in one sentence, and the rest is
// not looked at), 2 bad usage.
import { createInterface } from 'node:readline'

import { Schemas } from './schemas.mjs'

function fail(status, sentence) {
  process.stderr.write(`error: ${sentence}\n`)
  process.exit(status)
}

if (process.argv.length !== 3) fail(2, 'usage: validate.mjs SCHEMAS_DIR < messages.jsonl')
let schemas
try {
  schemas = new Schemas(process.argv[2])
} catch (error) {
  fail(2, `the schemas of ${process.argv[2]} can't be used: ${error.message}`)
}

const valid = Object.fromEntries(schemas.names().map((name) => [name, 0]))
let number = 0
for await (const line of createInterface({ input: process.stdin })) {
  number += 1
  let message
  try {
    message = JSON.parse(line)
  } catch (error) {
    fail(1, `line ${number} is no JSON: ${error.message}`)
  }
  if (typeof message?.topic !== 'string' || !('payload' in message)) {
    fail(1, `line ${number} is not of the form {"topic", "payload"}`)
  }
  const { name, problem } = schemas.judge(message.topic, message.payload)
  if (problem) fail(1, `line ${number}, a message on ${message.topic}, is not as documented: ${problem}`)
  valid[name] += 1
}
process.stdout.write(`${JSON.stringify(valid)}\n`)
