import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { SbomComparison } from '../scanning/wire.ts'
import { withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson } from './print.ts'

type Comparison = Pick<SbomComparison, 'added' | 'removed' | 'changed'>

/** `pratique sbom`: what images hold, in the forms that others read, and what others say that they hold. */
export function sbomCommand(program: Command, context: Context): void {
  const sbom = program.command('sbom').description('software bills of materials')
  sbom
    .command('show <image>')
    .description('the SBOM of an image')
    .option('--format <name>', 'cyclonedx, spdx or spdx-3', 'cyclonedx')
    .option('-o, --output <file>', 'write it there instead of showing it')
    .action(async (image: string, options: { format: string; output?: string }) => {
      const bytes = await fetchSbom(context, image, options.format)
      if (options.output === undefined) print(bytes.toString().trimEnd())
      else writeFileSync(options.output, bytes)
    })
  sbom
    .command('compare <left> <right>')
    .description('what came, went and changed between two SBOMs, each a file or an image')
    .action(async (left: string, right: string) => {
      const { compareSboms, readSbom } = await import('../gate/offline.ts')
      const [before, after] = await Promise.all(
        [left, right].map(async (one) =>
          readSbom(existsSync(one) ? readFileSync(one) : await fetchSbom(context, one, 'cyclonedx')),
        ),
      )
      const found = compareSboms(before as NonNullable<typeof before>, after as NonNullable<typeof after>)
      if (context.isJson()) return printJson(found)
      printComparison({ added: [...found.added], removed: [...found.removed], changed: [...found.changed] })
    })
  sbom
    .command('attach <file> <image>')
    .description('attach an SBOM that somebody made to an image, and compare it with what was found here')
    .action(async (file: string, image: string) => {
      const path = withQuery('/api/v1/sbom', { image })
      const headers = { 'content-type': 'application/octet-stream' }
      const found = await context.client().upload<SbomComparison>('POST', path, readFileSync(file), headers)
      if (context.isJson()) return printJson(found)
      print(`Attached as ${found.attached}`)
      for (const note of found.notes) print(`note: ${note}`)
      printComparison(found)
    })
}

async function fetchSbom(context: Context, image: string, format: string): Promise<Buffer> {
  const answer = await context.client().raw('GET', withQuery('/api/v1/sbom', { image, format }))
  return Buffer.from(await answer.arrayBuffer())
}

function printComparison({ added, removed, changed }: Comparison): void {
  const rows = [
    ...added.map((one) => ({ what: 'added', ...one })),
    ...removed.map((one) => ({ what: 'removed', ...one })),
    ...changed.map(({ before, after, ...one }) => ({
      what: 'changed',
      ...one,
      version: `${before} → ${after}`,
    })),
  ]
  if (rows.length === 0) return print('The same packages')
  print(
    formatTable(rows, [
      { title: 'WHAT', value: ({ what }) => what },
      { title: 'TYPE', value: ({ type }) => type },
      { title: 'PACKAGE', value: ({ name }) => name, isWide: true },
      { title: 'VERSION', value: ({ version }) => version, isWide: true },
    ]),
  )
}
