// The schemas of a folder, ready to judge messages.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import Ajv from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** Which kind of message each of a board's topics carries, by what follows `smearscope/<device>/`. */
export const TOPICS = {
  status: 'status',
  field: 'field',
  slide: 'slide',
  'slide/report': 'slide',
  health: 'health',
  live: 'live',
  model: 'model',
  'model/desired': 'desired',
  command: 'command',
  'command/reply': 'reply',
}

const OURS = /^smearscope\/[A-Za-z0-9_-]{1,64}\/(.+)$/

/** smearscope.field/1 → field */
const kindOf = (schema) => /^smearscope\.([a-z]+)\/[0-9]+$/.exec(schema)?.[1]

export class Schemas {
  #validators = new Map()

  /** Reads every schema of a folder. Throws where one is none, by the strict rules of draft 2020-12. */
  constructor(folder) {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true, validateFormats: true })
    addFormats(ajv)
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const schema = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      this.#validators.set(schema.properties.schema.const, ajv.compile(schema))
    }
    if (this.#validators.size === 0) throw new Error(`${folder} holds no schemas`)
  }

  names() {
    return [...this.#validators.keys()].sort()
  }

  /** What is wrong with a payload by the schema of that name, as a sentence; null if nothing. */
  problem(name, payload) {
    const validate = this.#validators.get(name)
    if (!validate) return `there is no schema ${JSON.stringify(name)}`
    if (validate(payload)) return null
    // Of an `if` that failed the reason comes first.
    const { instancePath, message, params } = validate.errors[0]
    const detail = params.additionalProperty ?? params.allowedValues ?? params.allowedValue
    const hint = detail === undefined ? '' : `: ${JSON.stringify(detail)}`
    return `${instancePath || 'the payload'} ${message}${hint} (by ${name})`
  }

  /** Judges a message of a topic: the name of its schema, and what is wrong, or null. */
  judge(topic, payload) {
    const leaf = OURS.exec(topic)?.[1]
    // What a board is told may leave its schema out.
    const told = { command: 'smearscope.command/1', 'model/desired': 'smearscope.desired/1' }
    const name = payload?.schema ?? told[leaf]
    if (typeof name !== 'string') return { name, problem: 'it names no schema' }
    // An answer may go to a topic of the sender's choice.
    const wanted = leaf?.startsWith('command/reply/') ? 'reply' : leaf === undefined ? 'reply' : TOPICS[leaf]
    if (wanted === undefined) return { name, problem: 'a board has no such topic' }
    if (kindOf(name) !== wanted) return { name, problem: `a ${wanted} belongs there, and this is a ${name}` }
    return { name, problem: this.problem(name, payload) }
  }
}
