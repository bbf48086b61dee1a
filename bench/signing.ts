import { fork, spawn, type ChildProcess } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { openDatabase } from '../src/database/index.ts'
import type { RepositoryName } from '../src/kernel/reference.ts'
import { FileBlobStore, findRepository } from '../src/registry/index.ts'
import { VerificationCache, verifyStored } from '../src/signing/index.ts'
import { buildImage } from '../test/fixtures/build-image.ts'
import { pushImage } from '../test/fixtures/push-image.ts'
import { signImage } from '../test/fixtures/sign-image.ts'
import { startProduct } from '../test/fixtures/start-product.ts'
import type { Job, Result } from './load.ts'

/*
 * What signatures cost: how long verifying one image takes, cold and warm, and how much of the throughput of pulls
 * the gate takes. Usage: npm run bench:signing [-- --rounds 9 --write docs/signing-performance.md]
 */

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, write: { type: 'string' } },
})
const megabyte = 1024 * 1024
const repository = 'prod/app'
const data = mkdtempSync(join(tmpdir(), 'pratique-bench-signing-'))
const lines: string[] = []
try {
  const image = await prepare()
  await measureVerification(image.digest)
  await measureGate(image)
} finally {
  rmSync(data, { recursive: true, force: true })
}
if (options.write) writeTables(options.write)

/** A product with one signed image of 10 MB, cleared by a policy that asks for the signature; then ended. */
async function prepare(): Promise<{ digest: string; layer: string }> {
  const product = await startProduct({ PRATIQUE_DATA_DIR: data })
  try {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(product.folder, 'release.pub')
    writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }))
    const policy = join(product.folder, 'policy.yaml')
    writeFileSync(
      policy,
      'stages: [{ name: prod, prefix: prod, rules: { signatures: { require: [{ name: release, signers: [release] }] } } }]\n',
    )
    await product.cli(['signer', 'add', 'release', '--key', key])
    await product.cli(['policy', 'apply', policy])
    const target = { url: product.url, authorization: product.basic() }
    const noise = Buffer.from(Array.from({ length: 10 * megabyte }, () => Math.trunc(Math.random() * 256)))
    const image = await buildImage({ layers: [{ 'noise.bin': noise.toString('latin1') }] })
    await pushImage(target, repository, '1', image)
    await signImage(target, repository, image, privateKey, { reference: `${product.host}/${repository}:1` })
    for (let state = ''; state !== 'cleared';) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      const { body } = await product.api('GET', `/api/v1/verdict?image=${repository}:1`)
      state = (body as { state: string }).state
    }
    const layer = [...image.blobs].toSorted((left, right) => right[1].length - left[1].length)[0]?.[0] ?? ''
    return { digest: image.digest, layer }
  } finally {
    await product.stop()
  }
}

async function measureVerification(digest: string): Promise<void> {
  const database = await openDatabase(join(data, 'pratique.sqlite'))
  const blobs = await FileBlobStore.open(data)
  const found = await findRepository(database, repository as RepositoryName)
  const verify = async (verifications: VerificationCache): Promise<number> => {
    const begun = performance.now()
    const { status } = await verifyStored(
      { database, blobs, clock: { now: Date.now }, verifications },
      found?.id ?? '',
      digest as never,
    )
    if (status !== 'verified') throw new Error(`the image is ${status}`)
    return performance.now() - begun
  }
  await verify(new VerificationCache())
  const cold: number[] = []
  const warm: number[] = []
  const kept = new VerificationCache()
  await verify(kept)
  for (let round = 0; round < 300; round++) {
    cold.push(await verify(new VerificationCache()))
    warm.push(await verify(kept))
  }
  add(`| verify a key-signed image, nothing remembered | ${median(cold).toFixed(2)} ms |`)
  add(`| verify a key-signed image, remembered | ${median(warm).toFixed(2)} ms |`)
  await database.destroy()
}

async function measureGate({ digest, layer }: { digest: string; layer: string }): Promise<void> {
  const load = fork(join(import.meta.dirname, 'load.ts'))
  const gates = ['on', 'off'] as const
  const servers = [await startGate('on'), await startGate('off')]
  try {
    for (const [name, path, count, clients] of [
      ['manifest by tag, 1 client', `/v2/${repository}/manifests/1`, 2_000, 1],
      ['manifest by digest, 10 clients', `/v2/${repository}/manifests/${digest}`, 4_000, 10],
      ['layer of 10 MB, 1 client', `/v2/${repository}/blobs/${layer}`, 60, 1],
      ['layer of 10 MB, 10 clients', `/v2/${repository}/blobs/${layer}`, 120, 10],
    ] as const) {
      const speeds: number[][] = [[], []]
      for (let round = 0; round < Number(options.rounds); round++) {
        for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
          const job: Job = {
            url: servers[index]?.url ?? '',
            authorization: '',
            repository,
            kind: 'request',
            method: 'GET',
            path,
            clients,
            count,
          }
          const { elapsedMs } = await ask(load, job)
          speeds[index]?.push(count / (elapsedMs / 1000))
        }
      }
      const [on = 0, off = 0] = speeds.map(median)
      add(`| ${name} | ${on.toFixed(0)}/s | ${off.toFixed(0)}/s | ${(on / off).toFixed(3)} |`)
    }
  } finally {
    load.kill()
    for (const index of gates.keys()) servers[index]?.child.kill()
  }
}

async function startGate(gate: 'on' | 'off'): Promise<{ url: string; child: ChildProcess }> {
  const program = join(import.meta.dirname, 'signing/gate-server.ts')
  const child = spawn(process.execPath, [program, data, gate], { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise<string>((resolve) =>
    createInterface({ input: child.stdout }).once('line', resolve),
  )
  return { url, child }
}

function ask(child: ChildProcess, job: Job): Promise<Result> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer: Result & { error?: string }) =>
      answer.error ? reject(new Error(answer.error)) : resolve(answer),
    )
    child.send(job)
  })
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0
}

function add(line: string): void {
  lines.push(line)
  process.stdout.write(`${line}\n`)
}

function writeTables(path: string): void {
  const text = [
    '# What signatures cost',
    '',
    'Made by `npm run bench:signing -- --write docs/signing-performance.md`.',
    `Machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}. Medians; timings on`,
    'shared machines are noisy.',
    '',
    '| verification in the server | median of 300 |',
    '| --- | ---: |',
    ...lines.slice(0, 2),
    '',
    'Pulls through two servers on the same data that differ in the gate alone, in turns,',
    `medians of ${options.rounds} rounds. 1 in the last column: the gate costs nothing.`,
    '',
    '| pull | with the gate | without | ratio |',
    '| --- | ---: | ---: | ---: |',
    ...lines.slice(2),
    '',
  ]
  writeFileSync(path, text.join('\n'))
}
