import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readSettings, SettingsError } from './settings.ts'
import { settingsDocument } from './settings-document.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-settings-'))
after(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'settings.yaml')
  writeFileSync(path, text)
  return path
}

test('defaults hold where nothing is given', () => {
  const settings = readSettings({})
  assert.equal(settings.listen, '127.0.0.1:5480')
  assert.equal(settings.adminPassword, undefined)
})

test('flags win over the environment, that over the file', () => {
  const config = file('pageSize: 10\nuploadsPerPrincipal: 10\nlogLevel: info\n')
  const settings = readSettings(
    { PRATIQUE_CONFIG: config, PRATIQUE_PAGE_SIZE: '20', PRATIQUE_UPLOADS_PER_PRINCIPAL: '20' },
    { pageSize: '30' },
  )
  assert.deepEqual([settings.pageSize, settings.uploadsPerPrincipal, settings.logLevel], [30, 20, 'info'])
})

test('lists are separated by commas in the environment', () => {
  assert.deepEqual(readSettings({ PRATIQUE_TRUSTED_PROXIES: '10.0.0.1, 10.0.0.2' }).trustedProxies, [
    '10.0.0.1',
    '10.0.0.2',
  ])
})

const mistakes: readonly [name: string, read: () => unknown, message: RegExp][] = [
  [
    'an unknown variable names the nearest',
    () => readSettings({ PRATIQUE_LISTN: 'x' }),
    /did you mean PRATIQUE_LISTEN/,
  ],
  [
    'an unknown key names its line and the nearest',
    () => readSettings({ PRATIQUE_CONFIG: file('pageSize: 1\nlistn: x\n') }),
    /:2: setting listn is not known; did you mean listen/,
  ],
  [
    'a wrong value names the setting',
    () => readSettings({ PRATIQUE_PAGE_SIZE: 'many' }),
    /pageSize \(PRATIQUE_PAGE_SIZE\)/,
  ],
  [
    'a wrong value in the file names its line',
    () => readSettings({ PRATIQUE_CONFIG: file('\npageSize: -1\n') }),
    /:2: setting pageSize/,
  ],
  [
    'a file that is not there',
    () => readSettings({ PRATIQUE_CONFIG: join(folder, 'none') }),
    /cannot be read/,
  ],
  ['a file that is no map', () => readSettings({ PRATIQUE_CONFIG: file('- a\n') }), /map of settings/],
  ['a file that is no YAML', () => readSettings({ PRATIQUE_CONFIG: file('a: [') }), /settings\.yaml/],
]
for (const [name, read, message] of mistakes) {
  test(`refused: ${name}`, () => {
    assert.throws(read, (error) => error instanceof SettingsError && message.test(error.message))
  })
}

test('docs/settings.md is what the settings say', () => {
  const path = join(import.meta.dirname, '../docs/settings.md')
  assert.equal(readFileSync(path, 'utf8'), settingsDocument(), 'run npm run docs:settings')
})
