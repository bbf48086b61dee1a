import type { Context } from '../commands.ts'
import { formatBytes, formatTable, print, printJson } from '../print.ts'
import { withAgent } from './use-agent.ts'

/** `pratique images --node`: what the runtimes of this node have. */
export async function showNodeImages(context: Context): Promise<void> {
  const { images } = await withAgent((client) => client.call('ListImages'))
  if (context.isJson()) return printJson(images)
  print(
    formatTable(images, [
      {
        title: 'IMAGE',
        value: ({ repoTags, repoDigests }) =>
          repoTags[0] ?? repoDigests[0]?.replace(/@.*/, '') ?? '(no name)',
        isWide: true,
      },
      { title: 'ID', value: ({ id }) => id.replace('sha256:', '').slice(0, 12) },
      { title: 'SIZE', value: ({ size }) => formatBytes(size) },
    ]),
  )
}
