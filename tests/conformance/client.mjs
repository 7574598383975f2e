// client.mjs -- Run the suite against a base URL; what came of each test, as one JSON object.
//   node client.mjs SUITE URL [ID]...
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [suite, base, ...wanted] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(suite, name)))
const fetch = createRequire(path.join(suite, 'package.json'))('node-fetch')
const { runTests, getResults } = await load('client/runner.mjs')
const { determineTestResult } = await load('lib/display.mjs')
const groups = (await load('tests/index.mjs')).default
groups.push((await load('tests/surrogate-control.mjs')).default)

const AT_ONCE = 50
const chosen = groups.map(group => ({
  ...group,
  tests: group.tests.filter(test => wanted.length === 0 || wanted.includes(test.id))
}))
await runTests(chosen, fetch, false, base, AT_ONCE)

// A test without a kind is a required one. Those whose prerequisite failed count as not passed.
const results = getResults()
const passes = [determineTestResult([{ tests: [{ id: 'p' }] }], 'p', { p: true })[2]]
const out = {}
for (const test of groups.flatMap(group => group.tests)) {
  if (!(test.id in results)) continue
  const word = determineTestResult(groups, test.id, results, wanted.length === 0)[2]
  out[test.id] = {
    kind: test.kind ?? 'required',
    passed: passes.includes(word),
    detail: results[test.id] === true ? 'a prerequisite failed' : results[test.id].join(': ')
  }
}
console.log(JSON.stringify(out))
process.exit(0)
