import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { BaseImage } from '../baseimages/wire.ts'
import type { CheckBody, PolicyBody } from '../policy/wire.ts'
import type { ServerKeyBody, SigningKey } from '../signing/wire.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, shortDigest, wrap } from './print.ts'

/** The policy, trusted keys and approved bases. */
export function policyCommands(program: Command, context: Context): void {
  const policy = program.command('policy').description('what has to hold per stage')
  policy
    .command('show')
    .description('the policy in force')
    .action(async () => {
      const found = await context.client().get<PolicyBody>('/api/v1/policy')
      if (context.isJson()) return printJson(found)
      print(
        `# version ${found.version}${found.appliedBy ? `, applied by ${found.appliedBy} at ${found.appliedAt}` : ', built in'}`,
      )
      print(found.document.trimEnd())
    })
  policy
    .command('check <file>')
    .description('what a policy would change; exit code 1 when an image would lose its clearance')
    .action(async (file: string) => {
      const result = await context
        .client()
        .send<CheckBody>('POST', '/api/v1/policy/check', { document: readText(file) })
      const isWorse = result.changes.some(({ from, to }) => from === 'cleared' && to !== 'cleared')
      if (context.isJson()) printJson(result)
      else {
        print(
          `Valid: stages ${result.stages.join(' → ')}. ${result.judged} images judged, ${result.changes.length} would change`,
        )
        for (const { image, from, to, because } of result.changes) {
          print(`${shortDigest(image)}: ${from} → ${to}`)
          for (const message of because) print(wrap(message, '    '))
        }
      }
      process.exitCode = isWorse ? exitCodes.policySaysNo : exitCodes.pass
    })
  policy
    .command('apply <file>')
    .description('apply a policy; every image is judged again')
    .action(async (file: string) => {
      const applied = await context
        .client()
        .send<PolicyBody>('PUT', '/api/v1/policy', { document: readText(file) })
      if (context.isJson()) return printJson(applied)
      print(`Policy version ${applied.version} is in force`)
    })
  keyCommands(program, context)
  baseCommands(program, context)
}

function keyCommands(program: Command, context: Context): void {
  const key = program.command('key').description('keys whose signatures count')
  key
    .command('list')
    .description('all keys')
    .action(async () => {
      const { items } = await context.client().get<{ items: SigningKey[] }>('/api/v1/signing-keys')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          {
            title: 'STATE',
            value: ({ revokedAt }) => (revokedAt ? `revoked ${revokedAt.slice(0, 10)}` : 'trusted'),
          },
          { title: 'SINCE', value: ({ createdAt }) => createdAt.slice(0, 10) },
        ]),
      )
    })
  key
    .command('server')
    .description('the public key of what the server states itself, such as SBOMs')
    .action(async () => {
      const { publicKey } = await context.client().get<ServerKeyBody>('/api/v1/signing-keys/server')
      if (context.isJson()) return printJson({ publicKey })
      print(publicKey.trimEnd())
    })
  key
    .command('add <name> <file>')
    .description('trust a public key (PEM, ECDSA P-256)')
    .action(async (name: string, file: string) => {
      const added = await context
        .client()
        .send<SigningKey>('POST', '/api/v1/signing-keys', { name, publicKey: readText(file) })
      if (context.isJson()) return printJson(added)
      print(`Signatures of ${name} count from now on`)
    })
  key
    .command('revoke <name>')
    .description('stop trusting a key, at once and for good')
    .action(async (name: string) => {
      const revoked = await context
        .client()
        .send<SigningKey>('DELETE', `/api/v1/signing-keys/${encodeURIComponent(name)}`)
      if (context.isJson()) return printJson(revoked)
      print(`Signatures of ${name} no longer count`)
    })
}

function baseCommands(program: Command, context: Context): void {
  const base = program.command('base').description('approved base images')
  base
    .command('list')
    .description('approved bases')
    .action(async () => {
      const { items } = await context.client().get<{ items: BaseImage[] }>('/api/v1/base-images')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'BASE', value: ({ name, version }) => `${name} ${version}`, isWide: true },
          { title: 'PLATFORM', value: ({ platform }) => platform || '-' },
          { title: 'LAYERS', value: ({ layers }) => String(layers) },
          { title: 'STATE', value: ({ withdrawnAt }) => (withdrawnAt ? 'withdrawn' : 'approved') },
          { title: 'IMAGE', value: ({ image }) => shortDigest(image), isWide: true },
        ]),
      )
    })
  base
    .command('approve <name> <version> <image>')
    .description('approve an image version as a base')
    .action(async (name: string, version: string, image: string) => {
      const added = await context
        .client()
        .send<{ items: BaseImage[] }>('POST', '/api/v1/base-images', { name, version, image })
      if (context.isJson()) return printJson(added.items)
      print(
        `Approved ${name} ${version} (${added.items.length} ${added.items.length === 1 ? 'image' : 'images'})`,
      )
    })
  base
    .command('withdraw <name> <version>')
    .description('withdraw an approval')
    .action(async (name: string, version: string) => {
      const { items } = await context.client().get<{ items: BaseImage[] }>('/api/v1/base-images')
      const found = items.filter(
        (item) => item.name === name && item.version === version && !item.withdrawnAt,
      )
      if (found.length === 0) throw new CommandError(`${name} ${version} is not an approved base`)
      for (const { id } of found) await context.client().send('DELETE', `/api/v1/base-images/${id}`)
      print(`${name} ${version} is no longer approved`)
    })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
}
