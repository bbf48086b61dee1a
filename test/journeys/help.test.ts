import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runToEnd } from '../fixtures/start-product.ts'

const program = join(import.meta.dirname, '../../bin/pratique')

test('the help of every command fits a terminal of 80 columns', { timeout: 400_000 }, async () => {
  const waiting: string[][] = [[]]
  let seen = 0
  for (let command = waiting.pop(); command; command = waiting.pop()) {
    const { code, stdout } = await runToEnd(program, [...command, '--help'])
    assert.equal(code, 0, command.join(' '))
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${command.join(' ')}: ${line}`)
    seen++
    if (command.length > 1) continue
    const [, list = ''] = stdout.split('\nCommands:\n')
    const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map((match) => match[1] as string)
    for (const name of names) if (name !== 'help') waiting.push([...command, name])
  }
  assert.ok(seen > 50, `${seen} commands`)
})
