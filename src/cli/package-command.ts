import type { Command } from 'commander'
import type { PackageList } from '../scanning/wire.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, shortDigest } from './print.ts'

/** `pratique packages`: which images hold a package. */
export function packageCommand(program: Command, context: Context): void {
  program
    .command('packages <name>')
    .description('which images hold a package; * in the name stands for anything')
    .option('--type <type>', 'only of this kind: deb, apk, rpm, npm, pypi, golang, …')
    .option('--below <version>', 'only versions before this one')
    .option('--version <version>', 'only exactly this version')
    .option('-n, --number <count>', 'rows at the most', '200')
    .action(
      async (name: string, options: { type?: string; below?: string; version?: string; number: string }) => {
        const { number, ...filter } = options
        const found = await context
          .client()
          .get<PackageList>('/api/v1/packages', { name, ...filter, n: number })
        if (context.isJson()) return printJson(found)
        if (found.items.length === 0) return print('no image that you may pull holds it')
        print(
          formatTable(found.items, [
            { title: 'PACKAGE', value: (item) => `${item.type} ${item.name}`, isWide: true },
            { title: 'VERSION', value: (item) => item.version, isWide: true },
            { title: 'IMAGE', value: (item) => imageName(item), isWide: true },
            { title: 'VERDICT', value: (item) => item.verdict },
          ]),
        )
        if (found.more) print(`and more; --number shows them`)
      },
    )
}

function imageName({ repository, tags, digest }: PackageList['items'][number]): string {
  return tags.length > 0 ? `${repository}:${tags.join(',')}` : `${repository}@${shortDigest(digest)}`
}
