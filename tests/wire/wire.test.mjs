// docs/wire is sound, the golden messages are as it says, and what is broken is refused.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Parser, fromFile } from '@asyncapi/parser'

import { Schemas, TOPICS } from './schemas.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const WIRE = join(HERE, '../../docs/wire')
const GOLDEN = join(HERE, '../../common/fixtures/wire')

/** Rules of the parser that don't apply here, with the reason. */
const NOT_APPLYING = {
  'asyncapi-latest-version': '3.0 is what the document is to be; 3.1 has nothing that it needs, and fewer readers',
}

const schemas = new Schemas(join(WIRE, 'schemas'))
const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
const golden = readdirSync(GOLDEN).flatMap((folder) =>
  readdirSync(join(GOLDEN, folder)).map((file) => ({
    name: `${folder}/${file}`,
    // field-1 → smearscope.field/1
    schema: `smearscope.${folder.replace('-', '/')}`,
    message: read(join(GOLDEN, folder, file)),
  })),
)
const one = (name) => golden.find((g) => g.name === name)

test('the AsyncAPI document is sound', async () => {
  const { document, diagnostics } = await fromFile(new Parser(), join(WIRE, 'asyncapi.json')).parse()
  const told = diagnostics.filter((d) => !(d.code in NOT_APPLYING))
  assert.deepEqual(told.map((d) => `${d.code} at ${d.path.join('/')}: ${d.message}`), [])
  assert.ok(document.channels().all().length >= Object.keys(TOPICS).length)
  // What it refers to was found: the schemas are inside now.
  const field = document.components().messages().get('field')
  assert.equal(field.payload().property('schema').const(), 'smearscope.field/1')
})

test('a broken AsyncAPI document is refused', async () => {
  const broken = [
    (d) => delete d.info.title,
    (d) => (d.operations.ping.action = 'answer'),
    (d) => (d.operations.sendField.messages[0].$ref = '#/channels/field/messages/nothing'),
    (d) => (d.operations.sendField.bindings.mqtt.qos = 3),
    (d) => (d.components.messages.field.payload.$ref = 'schemas/nothing.json'),
    (d) => (d.channels.field.parameters.device.$ref = '#/components/parameters/nothing'),
  ]
  for (const [i, breaks] of broken.entries()) {
    const document = read(join(WIRE, 'asyncapi.json'))
    breaks(document)
    const source = join(WIRE, 'asyncapi.json')
    const { diagnostics } = await new Parser().parse(JSON.stringify(document), { source })
    assert.ok(diagnostics.some((d) => !(d.code in NOT_APPLYING)), `broken document ${i} was taken`)
  }
})

test('each topic carries the schema that the AsyncAPI document says', () => {
  const { channels, components } = read(join(WIRE, 'asyncapi.json'))
  const schemaOf = (ref) => {
    const { payload } = components.messages[basename(ref)]
    return basename(payload.$ref ?? payload.allOf?.[0].$ref ?? '', '.json')
  }
  const documented = {}
  for (const { address, messages } of Object.values(channels)) {
    const leaf = /^smearscope\/\{device\}\/(.+)$/.exec(address)?.[1]
    const kinds = new Set(Object.values(messages).map((m) => schemaOf(m.$ref)))
    // A picture is no JSON.
    if (leaf && leaf !== 'image/field') documented[leaf] = [...kinds].join()
  }
  assert.deepEqual(documented, TOPICS)
})

test('each parameter of an address is described', () => {
  for (const { address, parameters = {} } of Object.values(read(join(WIRE, 'asyncapi.json')).channels)) {
    const named = [...(address ?? '').matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    assert.deepEqual(Object.keys(parameters).sort(), named.sort(), address)
  }
})

test('there are golden messages of every schema', () => {
  assert.deepEqual([...new Set(golden.map((g) => g.schema))].sort(), schemas.names())
})

for (const { name, schema, message } of golden) {
  test(`the golden message ${name} is valid`, () => {
    assert.equal(schemas.problem(schema, message), null)
  })
}

const BROKEN = [
  ['field-1/whole.json', (m) => delete m.counts, "'counts'"],
  ['field-1/whole.json', (m) => delete m.slide, "'slide'"],
  ['field-1/whole.json', (m) => (m.schema = 'smearscope.field/2'), '/schema'],
  ['field-1/whole.json', (m) => (m.device = 'a/b'), '/device'],
  ['field-1/whole.json', (m) => (m.id = '7'), '/id'],
  ['field-1/whole.json', (m) => (m.captured_at = 'yesterday'), '/captured_at'],
  ['field-1/whole.json', (m) => (m.seq = -1), '/seq'],
  ['field-1/whole.json', (m) => (m.seq = 1.5), '/seq'],
  ['field-1/whole.json', (m) => m.cells[0].bbox.pop(), '/cells/0/bbox'],
  ['field-1/whole.json', (m) => m.cells[0].bbox.push(1), '/cells/0/bbox'],
  ['field-1/whole.json', (m) => (m.cells[1].label = 'ill'), '/cells/1/label'],
  ['field-1/whole.json', (m) => (m.others[0].kind = 'cat'), '/others/0/kind'],
  ['field-1/whole.json', (m) => (m.quality.focus = null), '/quality/focus'],
  ['field-1/whole.json', (m) => delete m.model.sha256, "'sha256'"],
  ['slide-1/open.json', (m) => delete m.parasitemia, "'parasitemia'"],
  ['slide-1/open.json', (m) => (m.parasitemia = 2.4), '/parasitemia'],
  ['slide-1/open.json', (m) => (m.state = 'enough'), '/state'],
  ['slide-1/closed.json', (m) => (m.closed_at = true), '/closed_at'],
  ['status-1/online.json', (m) => (m.state = 'asleep'), '/state'],
  ['status-1/online.json', (m) => delete m.boot_id, "'boot_id'"],
  ['health-1/well.json', (m) => delete m.store, "'store'"],
  ['health-1/well.json', (m) => (m.temperature_c = 'hot'), '/temperature_c'],
  ['health-1/in-trouble.json', (m) => (m.broker.last_loss = 'gone'), '/broker/last_loss'],
  ['command-1/ping.json', (m) => delete m.request_id, "'request_id'"],
  ['command-1/ping.json', (m) => (m.request_id = 'a b'), '/request_id'],
  ['command-1/ping.json', (m) => (m.request_id = 'x'.repeat(65)), '/request_id'],
  ['command-1/ping.json', (m) => (m.command = 'pong'), '/command'],
  ['command-1/ping.json', (m) => (m.more = 1), '"more"'],
  ['command-1/ping.json', (m) => (m.args = { more: 1 }), '"more"'],
  ['command-1/ping.json', (m) => (m.args = []), '/args'],
  ['command-1/slide-start.json', (m) => (m.args = { id: 'a/b' }), '/args/id'],
  ['command-1/results-resend.json', (m) => delete m.args, "'args'"],
  ['command-1/results-resend.json', (m) => delete m.args.to, "'to'"],
  ['command-1/results-resend.json', (m) => (m.args.from = -1), '/args/from'],
  ['model-1/watching.json', (m) => delete m.current, "'current'"],
  ['model-1/watching.json', (m) => (m.update.state = 'done'), '/update/state'],
  ['model-1/watching.json', (m) => (m.update.sha256 = '../x'), '/update/sha256'],
  ['model-1/refused.json', (m) => (m.origin = 'anywhere'), '/origin'],
  ['desired-1/in-chunks.json', (m) => delete m.signature, "'signature'"],
  ['desired-1/in-chunks.json', (m) => (m.sha256 = m.sha256.toUpperCase()), '/sha256'],
  ['desired-1/in-chunks.json', (m) => (m.size = -1), '/size'],
  ['desired-1/in-chunks.json', (m) => (m.force = true), '"force"'],
  ['command-1/model-rollback-from.json', (m) => (m.args.from = 'last'), '/args/from'],
  ['reply-1/ping.json', (m) => delete m.result, "'result'"],
  ['reply-1/ping.json', (m) => (m.error = 'none'), '/error'],
  ['reply-1/error-failed.json', (m) => delete m.code, "'code'"],
  ['reply-1/error-failed.json', (m) => (m.code = 'odd'), '/code'],
  ['reply-1/error-failed.json', (m) => (m.result = {}), '/result'],
]

test('broken messages are refused, each for what is wrong with it', () => {
  for (const [name, breaks, word] of BROKEN) {
    const { schema, message } = one(name)
    const broken = structuredClone(message)
    breaks(broken)
    const problem = schemas.problem(schema, broken)
    assert.ok(problem?.includes(word), `${name} without ${word}: ${problem}`)
  }
})

test('what a board sends may have more keys than are known', () => {
  for (const { name, schema, message } of golden) {
    const more = { ...message, of_a_later_version: [1] }
    assert.equal(schemas.problem(schema, more) === null, !/command|desired/.test(schema), name)
  }
})

const validate = (input, ...args) =>
  spawnSync(process.execPath, [join(HERE, 'validate.mjs'), ...args], { input, encoding: 'utf8' })
const line = (topic, name) => `${JSON.stringify({ topic, payload: one(name).message })}\n`

test('validate.mjs counts, and stops at the first wrong message', () => {
  const folder = join(WIRE, 'schemas')
  const good =
    line('smearscope/lab-3_A/field', 'field-1/whole.json') +
    line('smearscope/lab-3_A/field', 'field-1/of-the-beginning.json') +
    line('smearscope/lab-3_A/slide', 'slide-1/open.json') +
    line('smearscope/lab-3_A/slide/report', 'slide-1/closed.json') +
    line('smearscope/lab-3_A/command', 'command-1/shortest.json') +
    line('smearscope/lab-3_A/live', 'live-1/out-of-focus.json') +
    line('smearscope/lab-3_A/model', 'model-1/watching.json') +
    line('smearscope/lab-3_A/model/desired', 'desired-1/shortest.json') +
    line('smearscope/lab-3_A/command/reply/ward', 'reply-1/ping.json') +
    line('ward/answers', 'reply-1/error-failed.json')
  const all = validate(good, folder)
  assert.equal(all.status, 0, all.stderr)
  assert.deepEqual(JSON.parse(all.stdout), {
    'smearscope.command/1': 1,
    'smearscope.desired/1': 1,
    'smearscope.field/1': 2,
    'smearscope.health/1': 0,
    'smearscope.live/1': 1,
    'smearscope.model/1': 1,
    'smearscope.reply/1': 2,
    'smearscope.slide/1': 2,
    'smearscope.status/1': 0,
  })
  for (const [bad, word] of [
    [line('smearscope/lab-3_A/slide', 'field-1/whole.json'), 'a slide belongs there'],
    [line('smearscope/lab-3_A/fields', 'field-1/whole.json'), 'no such topic'],
    [line('smearscope/a/b/field', 'field-1/whole.json'), 'no such topic'],
    [line('ward/answers', 'command-1/ping.json'), 'a reply belongs there'],
    ['{"topic":"smearscope/a/field","payload":{}}\n', 'names no schema'],
    ['{"topic":"smearscope/a/field","payload":null}\n', 'names no schema'],
    ['{"topic":"smearscope/a/field","payload":{"schema":"smearscope.field/9"}}\n', 'there is no schema'],
    ['{"topic":"smearscope/a/field"}\n', 'not of the form'],
    ['what?\n', 'no JSON'],
  ]) {
    const { status, stdout, stderr } = validate(good + bad + good, folder)
    assert.equal(status, 1, bad)
    assert.equal(stdout, '')
    assert.match(stderr, /^error: line 11\b.*\n$/)
    assert.ok(stderr.includes(word), stderr)
  }
})

test('validate.mjs tells bad usage from bad messages', () => {
  assert.equal(validate('').status, 2)
  assert.equal(validate('', '/nowhere').status, 2)
  assert.equal(validate('', HERE).status, 2)
})
