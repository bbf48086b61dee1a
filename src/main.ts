import type { AddressInfo } from 'node:net'
import { compose } from './compose.ts'
import { systemClock } from './kernel/clock.ts'
import { openLog } from './kernel/log.ts'
import { SettingsError, type Settings } from './settings.ts'

/** Serves until the process is told to stop. Prints the address, and the first password if one was made. */
export async function serve(settings: Settings): Promise<void> {
  const [host, port] = parseListen(settings.listen)
  const log = openLog(settings.logLevel)
  const product = await compose(settings, systemClock, log)
  await product.app.listen({ host, port })
  const address = product.app.server.address() as AddressInfo
  const shownHost = address.family === 'IPv6' ? `[${address.address}]` : address.address
  const lines = [`Pratique serves on http://${shownHost}:${address.port}`]
  if (product.oneTimePassword !== undefined) {
    lines.push(
      `The first administrator is "admin", with the password ${product.oneTimePassword}`,
      'It is shown this once. Change it with: pratique user password',
    )
  }
  if (settings.nodeListen !== undefined) {
    const [nodeHost, nodePort] = parseListen(settings.nodeListen, 'nodeListen (PRATIQUE_NODE_LISTEN)')
    const nodesPort = await product.listenToNodes({ host: nodeHost, port: nodePort })
    lines.push(`Nodes enrol and report at https://${nodeHost}:${nodesPort}`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
  product.start()
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await product.stop()
}

function parseListen(listen: string, name = 'listen (PRATIQUE_LISTEN)'): [host: string, port: number] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen)
  const port = Number(match?.[3])
  if (!match || port > 65_535) {
    throw new SettingsError(`${name} is ${JSON.stringify(listen)}; expected address:port`)
  }
  return [(match[1] ?? match[2]) as string, port]
}
