import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { SigningFailure } from '../failures.ts'
import { algorithmOfKey, isSignedBy } from '../keys/verification-key.ts'
import { commandSignatory, keySignatory, type Signatory } from './signatory.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-signatory-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const message = Buffer.from('what is signed')
const pairs = {
  'ecdsa-p256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'ecdsa-p384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'ecdsa-p521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  ed25519: generateKeyPairSync('ed25519'),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const failed = (why: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SigningFailure, String(error))
  assert.match(error.message, why)
  return true
}

async function isGood(signatory: Signatory, publicKey: KeyObject, data = message): Promise<boolean> {
  const { signature } = await signatory.maker.sign(data)
  return isSignedBy({ key: publicKey, algorithm: algorithmOfKey(publicKey) }, data, signature)
}

for (const [algorithm, { privateKey, publicKey }] of Object.entries(pairs)) {
  test(`a key for ${algorithm} signs, and says so where cosign 3 could not verify it`, async () => {
    const signatory = keySignatory(privateKey)
    assert.ok(await isGood(signatory, publicKey))
    assert.equal(signatory.warnings.length, ['ecdsa-p256', 'rsa'].includes(algorithm) ? 0 : 1)
  })
}

/** A program that signs: it reads all of its input, then does this with it as `input`. */
function program(body: string): string {
  const file = join(folder, `${randomBytes(6).toString('hex')}.mjs`)
  const start = `import { sign } from 'node:crypto'\nimport { buffer } from 'node:stream/consumers'\n`
  writeFileSync(file, `${start}const input = await buffer(process.stdin)\n${body}\n`)
  return file
}

const run = (body: string, key: KeyObject, timeoutMs?: number): Signatory =>
  commandSignatory([process.execPath, program(body)], key, [], timeoutMs)
const pemOf = (key: KeyObject): string => JSON.stringify(key.export({ type: 'pkcs8', format: 'pem' }))
const signing = (key: KeyObject, options = ''): string =>
  `process.stdout.write(sign('sha256', input, { key: ${pemOf(key)}${options} }))`

describe('a program that signs', () => {
  for (const algorithm of ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa'] as const) {
    test(`gives the signature of ${algorithm} as it comes from a library`, async () => {
      const { privateKey, publicKey } = pairs[algorithm]
      assert.ok(await isGood(run(signing(privateKey), publicKey), publicKey))
    })
  }

  // Integers are written in another length when they begin with a zero, and when their first bit is set.
  for (const [about, wanted] of [
    ['with an r that begins with a zero', 'raw[0] === 0'],
    [
      'with an s whose first bits are set, or that is as long as can be',
      'raw[raw.length / 2] >= (raw.length === 132 ? 1 : 0x80)',
    ],
  ] as const) {
    for (const algorithm of ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'] as const) {
      test(`gives r and s of ${algorithm} side by side, as PKCS#11 does, ${about}`, async () => {
        const { privateKey, publicKey } = pairs[algorithm]
        const one = `sign('sha256', input, { key: ${pemOf(privateKey)}, dsaEncoding: 'ieee-p1363' })`
        const body = `let raw\ndo raw = ${one}\nwhile (!(${wanted}))\nprocess.stdout.write(raw)`
        assert.ok(await isGood(run(body, publicKey), publicKey))
      })
    }
  }

  test('is told the kind of the key, and gets the bytes as they are', async () => {
    const { privateKey, publicKey } = pairs.rsa
    const body = `if (process.env.PRATIQUE_KEY_ALGORITHM !== 'rsa') process.exit(7)\n${signing(privateKey)}`
    assert.ok(await isGood(run(body, publicKey), publicKey, randomBytes(300_000)))
  })

  for (const [about, body, why] of [
    ['signs with another key', signing(pairs['ecdsa-p384'].privateKey), /no signature of the public key/],
    ['signs other bytes', `input[0] ^= 1\n${signing(pairs['ecdsa-p256'].privateKey)}`, /no signature/],
    ['gives zeros', `process.stdout.write(Buffer.alloc(64))`, /no signature/],
    ['gives nothing', '', /no signature/],
    ['gives text', `process.stdout.write('signed')`, /no signature/],
    ['fails', 'process.exit(3)', /ended with 3/],
    [
      'is ended',
      `process.kill(process.pid, 'SIGKILL')\nawait new Promise(() => setInterval(() => {}, 1000))`,
      /ended with SIGKILL/,
    ],
    ['gives too much', `process.stdout.write(Buffer.alloc(1_000_000))`, /gave more than 65536 bytes/],
    [
      'gives without end',
      `for (;;) await new Promise((go) => process.stdout.write(Buffer.alloc(9999), go))`,
      /gave more/,
    ],
  ] as const) {
    test(`that ${about} signs nothing`, async () => {
      await assert.rejects(run(body, pairs['ecdsa-p256'].publicKey).maker.sign(message), failed(why))
    })
  }

  test(
    'that does not end is ended, even if it does not want to and has others hold its output',
    { timeout: 60_000 },
    async () => {
      // The other one ends when nobody reads what it writes any more.
      const body = `
import { spawn } from 'node:child_process'
process.on('SIGTERM', () => {})
const other = 'process.stdout.on("error", () => process.exit()); setInterval(() => process.stdout.write("."), 100)'
spawn(process.execPath, ['-e', other], { stdio: 'inherit' })
setInterval(() => {}, 1000)`
      const signatory = run(body, pairs['ecdsa-p256'].publicKey, 1_500)
      await assert.rejects(signatory.maker.sign(message), failed(/did not end within 1\.5 s/))
    },
  )

  test('that is not there, or may not be run, is named', async () => {
    const file = join(folder, 'not-executable')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    for (const name of [join(folder, 'absent'), file]) {
      await assert.rejects(
        commandSignatory([name], pairs.rsa.publicKey).maker.sign(message),
        failed(/(absent|not-executable) cannot be run/),
      )
    }
  })

  test('is run without a shell', async () => {
    const signatory = commandSignatory(['echo $(id)', ';', 'true'], pairs.rsa.publicKey)
    await assert.rejects(signatory.maker.sign(message), failed(/echo \$\(id\) cannot be run/))
  })
})
