// client.mjs -- Run the suite against a base URL; what came of each test, as one JSON object.
//   node client.mjs SUITE URL prerequisites|alone [ID]...
// alone: each test by itself, whatever became of those it builds on.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [suite, base, how, ...wanted] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(suite, name)))
// Later editions have their machinery in a folder, use the fetch that node has, and have left
// Surrogate-Control out.
const isLater = fs.existsSync(path.join(suite, 'test-engine'))
const engine = isLater ? 'test-engine/' : ''
const { runTests, getResults } = await load(engine + 'client/runner.mjs')
const { determineTestResult } = await load(isLater ? engine + 'lib/results.mjs' : 'lib/display.mjs')
const groups = (await load('tests/index.mjs')).default
const fetches = []
if (!isLater) {
  fetches.push(createRequire(path.join(suite, 'package.json'))('node-fetch'))
  groups.push((await load('tests/surrogate-control.mjs')).default)
}

const AT_ONCE = 50
const chosen = groups.map(group => ({
  ...group,
  tests: group.tests.filter(test => wanted.length === 0 || wanted.includes(test.id))
}))
await runTests(chosen, ...fetches, false, base, AT_ONCE)

// A test without a kind is a required one. Those whose prerequisite failed count as not passed.
const results = getResults()
const passes = [determineTestResult([{ tests: [{ id: 'p' }] }], 'p', { p: true })[2]]
const out = {}
for (const test of groups.flatMap(group => group.tests)) {
  if (!(test.id in results)) continue
  const word = determineTestResult(groups, test.id, results, how === 'prerequisites')[2]
  out[test.id] = {
    kind: test.kind ?? 'required',
    passed: passes.includes(word),
    detail: results[test.id] === true ? 'a prerequisite failed' : results[test.id].join(': ')
  }
}
console.log(JSON.stringify(out))
process.exit(0)
