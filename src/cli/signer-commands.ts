import { Option, type Command } from 'commander'
import type { IdentityBody, ServerKeyBody, SignedImageList, SignerBody } from '../signing/wire.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, shortDigest, wrap } from './print.ts'
import { readUntil } from './read-until.ts'
import { readIdentity, withIdentity, type IdentityOptions } from './signer-identity.ts'

const path = '/api/v1/signers'

/** `pratique signer`: whose signatures, attestations and VEX can count. */
export function signerCommands(program: Command, context: Context): void {
  const signer = program.command('signer').description('whose signatures and attestations can count')
  addCommand(signer, context)
  readingCommands(signer, context)
  stateCommands(signer, context)
  serverKeyCommand(signer, context)
}

interface AddOptions extends IdentityOptions {
  readonly expires?: string
  readonly countsAs?: string
  readonly vex?: boolean
}

function addCommand(signer: Command, context: Context): void {
  withIdentity(signer.command('add <name>'))
    .description('name a signer: a key, a certificate identity, a notation or an OpenPGP signer')
    .option('--expires <when>', 'from then on only what is proven to be older counts: 2027-01-31, 365d')
    .option('--counts-as <signer>', 'go by the name of this signer in policies, as its successor')
    .option('--vex', 'believe its VEX attestations')
    .action(async (name: string, options: AddOptions) => {
      const added = await context.client().send<SignerBody>('POST', path, {
        name,
        identity: await readIdentity(options),
        ...(options.expires === undefined ? {} : { expiresAt: readUntil(options.expires) }),
        ...(options.countsAs === undefined ? {} : { countsAs: options.countsAs }),
        ...(options.vex === undefined ? {} : { vex: options.vex }),
      })
      if (context.isJson()) return printJson(added)
      print(`Signer ${name} is known`)
      print(`  ${added.fingerprint}`)
      print(`It counts where a policy names ${added.countsAs ?? name}${added.vex ? ', and for VEX' : ''}.`)
    })
}

function readingCommands(signer: Command, context: Context): void {
  signer
    .command('list')
    .description('all signers')
    .action(async () => {
      const { items } = await context.client().get<{ items: SignerBody[] }>(path)
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'STATE', value: showState },
          { title: 'ENDS', value: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? '-' },
          { title: 'COUNTS AS', value: ({ countsAs }) => countsAs ?? '-' },
          { title: 'VEX', value: ({ vex }) => (vex ? 'yes' : '-') },
        ]),
      )
    })
  signer
    .command('show <name>')
    .description('one signer with its key or identity')
    .action(async (name: string) => {
      const found = await context.client().get<SignerBody>(`${path}/${encodeURIComponent(name)}`)
      if (context.isJson()) return printJson(found)
      print(`${found.name}: ${showState(found)}${found.reason === undefined ? '' : `, ${found.reason}`}`)
      print(`  ${found.fingerprint}`)
      for (const line of describe(found.identity)) print(line)
      if (found.countsAs !== undefined) print(`Counts as    ${found.countsAs}`)
      if (found.expiresAt !== undefined) print(`Ends         ${found.expiresAt}`)
      print(`VEX          ${found.vex ? 'believed' : 'not believed'}`)
      print(`Added        ${found.createdAt} by ${found.createdBy}`)
    })
  signer
    .command('images <name>')
    .description('the images that hang on a signer')
    .option('-n, --number <count>', 'rows at the most', '100')
    .option('--last <item>', 'go on after this item of the page before')
    .action(async (name: string, { number, last }: { number: string; last?: string }) => {
      const page = await context
        .client()
        .get<SignedImageList>(`${path}/${encodeURIComponent(name)}/images`, { n: number, last })
      if (context.isJson()) return printJson(page)
      print(
        formatTable(page.items, [
          { title: 'IMAGE', value: showImage, isWide: true },
          { title: 'CLAIM', value: ({ claim }) => claim, isWide: true },
          { title: 'VERDICT', value: ({ verdict }) => verdict ?? '-' },
          { title: 'ONLY', value: ({ isOnlySigner }) => (isOnlySigner ? 'yes' : '-') },
        ]),
      )
      if (page.next !== undefined) print(`More: pratique signer images ${name} --last '${page.next}'`)
    })
}

function showImage({ repository, digest, tags }: SignedImageList['items'][number]): string {
  return tags.length > 0 ? `${repository}:${tags.join(',')}` : shortDigest(`${repository}@${digest}`)
}

function showState({ state, revokedFrom }: SignerBody): string {
  return revokedFrom === undefined ? state : `${state} from ${revokedFrom.slice(0, 10)}`
}

function describe(identity: IdentityBody): string[] {
  switch (identity.kind) {
    case 'key':
    case 'openpgp':
      return [identity.publicKey.trimEnd()]
    case 'certificate':
      return [
        `Certificate  ${identity.subject}${identity.match === 'glob' ? ' (pattern)' : ''}`,
        ...(identity.issuer === undefined ? [] : [`Issuer       ${identity.issuer}`]),
        `Log          ${identity.withoutLog ? 'not needed' : 'needed'}`,
      ]
    case 'notation':
      return [
        `Subject      ${identity.subject}`,
        `Authorities  ${identity.authorities.length}, for timestamps ${identity.timestampAuthorities.length}`,
      ]
  }
}

const states = [
  ['activate', 'active', 'have a retired signer sign again'],
  ['retire', 'verify-only', 'what it signed still counts; it is to sign no more'],
  ['revoke', 'revoked', 'nothing counts but what is proven to be older'],
  ['compromised', 'compromised', 'nothing that it ever signed counts'],
] as const

function stateCommands(signer: Command, context: Context): void {
  for (const [verb, state, description] of states) {
    const command = signer
      .command(`${verb} <name>`)
      .description(description)
      .requiredOption('--reason <text>', 'why; kept with the signer and in the audit log')
    if (verb === 'revoke') {
      command.option('--from <time>', 'what is proven to be older than this still counts')
    }
    command.action(async (name: string, { reason, from }: { reason: string; from?: string }) => {
      const changed = await context
        .client()
        .send<SignerBody>('PUT', `${path}/${encodeURIComponent(name)}/state`, {
          state,
          reason,
          ...(from === undefined ? {} : { revokedFrom: readTime(from) }),
        })
      if (context.isJson()) return printJson(changed)
      print(wrap(`Signer ${name} is ${showState(changed)}. Every image is judged again.`))
    })
  }
}

function readTime(text: string): string {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new CommandError(`${text} is no time such as 2026-11-25T12:00:00Z`)
  return new Date(time).toISOString()
}

function serverKeyCommand(signer: Command, context: Context): void {
  signer
    .command('server-key')
    .description('the public key of what the server signs: SBOMs, promotions, policies for nodes')
    .addOption(new Option('--rotate', 'give the server a new key; the one before still verifies'))
    .action(async ({ rotate }: { rotate?: boolean }) => {
      const client = context.client()
      const found = rotate
        ? await client.send<ServerKeyBody>('POST', '/api/v1/server-key/rotate')
        : await client.get<ServerKeyBody>('/api/v1/server-key')
      if (context.isJson()) return printJson(found)
      print(found.publicKey.trimEnd())
    })
}
