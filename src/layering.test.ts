import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { test } from 'node:test'

const source = import.meta.dirname

/** Left may import right. Subjects on one level do not know each other. */
const levels: readonly (readonly string[])[] = [
  ['main.ts'],
  ['compose.ts'],
  ['promotion', 'runtime', 'gate'],
  ['policy'],
  ['exceptions'],
  ['scanning', 'signing', 'baseimages', 'iac', 'notifications'],
  ['registry'],
  ['identity'],
  ['jobs', 'audit'],
  ['database'],
  ['http'],
  ['kernel'],
]

/** These talk to the server over HTTP: they may read what the wire carries, and nothing else of a subject. */
const clients = ['cli', 'console', 'agent']

interface Import {
  readonly from: string
  readonly to: string
}

const imports: readonly Import[] = globSync('**/*.ts', { cwd: source }).flatMap((file) =>
  Array.from(
    readFileSync(join(source, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g),
    (match) => ({
      from: file,
      to: relative(source, join(source, dirname(file), match[1] as string)),
    }),
  ),
)

const subjectOf = (file: string): string => file.split(sep)[0] as string
const isTest = (file: string): boolean => /\.(test|contract)\.ts$/.test(file)

test('imports point from left to right, never back and never in a circle', () => {
  for (const { from, to } of imports.filter(crossesSubjects)) {
    const [left, right] = [subjectOf(from), subjectOf(to)]
    if (clients.includes(left) || !isPlaced(right)) continue
    assert.ok(levelOf(left) < levelOf(right), `${from} may not import ${to}: ${left} is not left of ${right}`)
  }
})

test('a subject uses another only through its index.ts, or its offline.ts', () => {
  const shared = ['kernel', 'settings.ts']
  for (const { from, to } of imports.filter(crossesSubjects)) {
    if (shared.includes(subjectOf(to)) || clients.includes(subjectOf(from))) continue
    if (!to.includes(sep)) continue
    // The second face is what works without a server, and loads nothing of one.
    assert.match(to, /^[a-z]+\/(index|offline)\.ts$/, `${from} reaches into ${to}`)
  }
})

test('cli, console and agent know of a subject only what goes over the wire, or start the server, or work without it', () => {
  for (const { from, to } of imports.filter(crossesSubjects)) {
    if (!clients.includes(subjectOf(from))) continue
    const allowed =
      /^(kernel\/|settings\.ts$|main\.ts$|(gate|policy|registry|signing|runtime)\/offline\.ts$|runtime\/(failures|node-config)\.ts$|agent\/(index|serve)\.ts$)|(^|\/)wire\.ts$/.test(
        to,
      )
    assert.ok(allowed, `${from} may not import ${to}`)
  }
})

test('nothing but main.ts and tests imports compose.ts', () => {
  for (const { from, to } of imports) {
    if (to === 'compose.ts') assert.equal(from, 'main.ts', `${from} imports compose.ts`)
  }
})

test('the kernel stays under a dozen files and does no input or output', () => {
  const files = globSync('kernel/*.ts', { cwd: source }).filter((file) => !isTest(file))
  assert.ok(files.length <= 12, `kernel has ${files.length} files`)
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8')
    assert.doesNotMatch(text, /'node:(fs|net|http|https|child_process|sqlite)/, `${file} does I/O`)
  }
})

function crossesSubjects({ from, to }: Import): boolean {
  return subjectOf(from) !== subjectOf(to) && !isTest(from)
}

function isPlaced(subject: string): boolean {
  return subject !== 'settings.ts' && subject !== 'settings-document.ts'
}

function levelOf(subject: string): number {
  const level = levels.findIndex((names) => names.includes(subject))
  assert.ok(
    level >= 0 || clients.includes(subject) || subject === 'layering.test.ts',
    `${subject} has no place`,
  )
  return level
}
