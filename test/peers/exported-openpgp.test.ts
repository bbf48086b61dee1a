import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { askInProd, exportPolicy } from '../fixtures/signing-policy.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'
import { findPeers } from './peer.ts'

const { skip, paths } = findPeers('skopeo', 'gpg', 'gpgconf')

/** What becomes of images that these keys signed, when two of three are asked for. */
const cases: readonly (readonly [signedBy: readonly string[], isAccepted: boolean])[] = [
  [['one', 'two'], true],
  [['two', 'three'], true],
  [['one'], false],
  [['one', 'stranger'], false],
  [[], false],
]

describe('the exported policy for OpenPGP keys, with skopeo of this Debian', { skip }, () => {
  let product: Product
  let folder: string
  let gnupgHome: string
  const fingerprints = new Map<string, string>()

  before(async () => {
    product = await startProduct()
    folder = mkdtempSync(join(tmpdir(), 'pratique-export-'))
    gnupgHome = join(folder, 'gnupg')
    mkdirSync(gnupgHome, { mode: 0o700 })
    for (const name of ['one', 'two', 'three', 'stranger']) await makeKey(name)
    const signers = ['one', 'two', 'three']
    await askInProd(product, { require: [{ name: 'release', signers, threshold: 2 }] })
    await exportPolicy(product, 'containers', join(folder, 'node'))
  })
  after(async () => {
    await runToEnd(paths.gpgconf, ['--kill', 'all'], { GNUPGHOME: gnupgHome })
    rmSync(folder, { recursive: true, force: true })
    await product.stop()
  })

  for (const [signedBy, isAccepted] of cases) {
    const who = signedBy.join(' and ') || 'nobody'
    test(`two of three is what skopeo asks: signed by ${who}`, async () => {
      const tag = signedBy.join('-') || 'unsigned'
      const name = `docker://${product.host}/prod/app:${tag}`
      // Signatures hang on the digest, so every case has an image of its own.
      await writeOciLayout(join(folder, tag), [{ 'tag.txt': tag }])
      await push(tag, name)
      for (const signer of signedBy) await push(tag, name, fingerprints.get(signer))
      const { code, stderr } = await pull(name)
      assert.equal(code === 0, isAccepted, stderr)
      if (!isAccepted) assert.match(stderr, /rejected|signature|not accepted/i)
    })
  }

  async function push(layout: string, name: string, fingerprint?: string): Promise<void> {
    const sign = fingerprint === undefined ? [] : ['--sign-by', fingerprint]
    const login = ['--dest-tls-verify=false', '--dest-creds', `admin:${product.password}`]
    const argv = ['--insecure-policy', 'copy', ...login, ...sign, `oci:${join(folder, layout)}:latest`, name]
    await succeeds(runToEnd(paths.skopeo, argv, { GNUPGHOME: gnupgHome }))
  }

  function pull(name: string): Promise<Ran> {
    const login = ['--src-tls-verify=false', '--src-creds', `admin:${product.password}`]
    const policy = join(folder, 'node/etc/containers/policy.json')
    const to = `dir:${mkdtempSync(join(folder, 'pulled-'))}`
    return runToEnd(paths.skopeo, ['--policy', policy, 'copy', ...login, name, to], { GNUPGHOME: gnupgHome })
  }

  async function makeKey(name: string): Promise<void> {
    const gpg = (...argv: string[]): Promise<Ran> =>
      succeeds(runToEnd(paths.gpg, ['--batch', ...argv], { GNUPGHOME: gnupgHome }))
    const user = `${name} <${name}@pratique.test>`
    await gpg('--passphrase', '', '--quick-generate-key', user, 'rsa2048', 'sign', 'never')
    const { stdout } = await gpg('--with-colons', '--list-keys', user)
    fingerprints.set(name, /^fpr:+([0-9A-F]{40}):/m.exec(stdout)?.[1] ?? '')
    const file = join(folder, `${name}.asc`)
    await gpg('--armor', '--output', file, '--export', user)
    if (name !== 'stranger') await succeeds(product.cli(['signer', 'add', name, '--gpg-key', file]))
  }
})

async function succeeds(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran
}
