import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { dotnet } from './dotnet.ts'

const real = readFileSync(join(import.meta.dirname, 'testdata/Fable.Cli.deps.json'), 'utf8')

async function read(text: string, path = 'app/Fable.Cli.deps.json'): Promise<FileFacts> {
  return dotnet.read(path, contentOf(Buffer.from(text)))
}

function names({ packages = [] }: FileFacts): string[] {
  return packages.map(({ type, name, version }) => `${type} ${name} ${version}`)
}

test('what runs is listed: neither the application itself, nor what has nothing to run', async () => {
  assert.deepEqual(names(await read(real)), [
    'nuget Dotnet.ProjInfo 0.39.1',
    'nuget FSharp.Core 4.7.2',
    'nuget Newtonsoft.Json 12.0.3',
  ])
})

test('the runtime that an application carries is listed as the package that it came from', async () => {
  const pack = 'runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.26'
  const target = { [pack]: { runtime: { 'System.dll': {} } }, 'Empty/1.0.0': { dependencies: {} } }
  const manifest = {
    runtimeTarget: { name: '.NETCoreApp,Version=v6.0/linux-x64' },
    targets: { '.NETCoreApp,Version=v6.0': {}, '.NETCoreApp,Version=v6.0/linux-x64': target },
    libraries: { [pack]: { type: 'runtimepack' }, 'Empty/1.0.0': { type: 'package' } },
  }
  assert.deepEqual(names(await read(JSON.stringify(manifest))), [
    'nuget Microsoft.NETCore.App.Runtime.linux-x64 6.0.26',
  ])
})

test('a shared framework is the runtime package of its platform, by its folder', async () => {
  const name = 'Microsoft.AspNetCore.App'
  const path = `usr/share/dotnet/shared/${name}/8.0.4/${name}.deps.json`
  const manifest = {
    runtimeTarget: { name: '.NETCoreApp,Version=v8.0/linux-musl-x64' },
    targets: {},
    libraries: {},
  }
  const expected = ['nuget Microsoft.AspNetCore.App.Runtime.linux-musl-x64 8.0.4']
  assert.deepEqual(names(await read(JSON.stringify(manifest), path)), expected)
  assert.deepEqual(names(await read(JSON.stringify(manifest), 'app/other.deps.json')), [])
})

test('without targets every library counts', async () => {
  const manifest = { libraries: { 'A.B/1.0.0-rc.1': { type: 'package' }, 'App/1.0.0': { type: 'project' } } }
  assert.deepEqual(names(await read(JSON.stringify(manifest))), ['nuget A.B 1.0.0-rc.1'])
})

test('what is no dependency manifest is reported', async () => {
  for (const text of ['', '{', '[]', 'null', '{"a":1}']) {
    assert.deepEqual(await read(text), { unknown: 'it is no dependency manifest' }, text)
  }
})

test('whatever a manifest holds, nothing is thrown and no package is without a name', async () => {
  const key = fc.oneof(fc.string(), fc.constantFrom('A/1.0', '/1', 'A/', 'runtimepack./1', '__proto__'))
  const library = fc.oneof(fc.jsonValue(), fc.constantFrom({ type: 'package' }, { type: 'runtimepack' }))
  const manifest = fc.record(
    {
      libraries: fc.oneof(fc.jsonValue(), fc.dictionary(key, library)),
      targets: fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.dictionary(key, fc.jsonValue()))),
      runtimeTarget: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(manifest, async (value) => {
      const { packages = [] } = await read(JSON.stringify(value))
      assert.ok(packages.every(({ name, version }) => name !== '' && version !== ''))
    }),
    { numRuns: 300 },
  )
})
