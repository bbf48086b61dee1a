import type { Command } from 'commander'
import { CommandError } from '../client.ts'
import type { Context } from '../commands.ts'
import { formatTable, print, printJson } from '../print.ts'
import { followLog, printLine } from './follow-log.ts'
import { pullImage } from './pull-image.ts'
import { removePod, runCommand, withTerminal } from './run-command.ts'
import { getContainer, listContainers, withAgent } from './use-agent.ts'

/** Containers of this node, without Kubernetes: every command talks CRI to the agent. */
export function containerCommands(program: Command, context: Context): void {
  runCommand(program)
  psCommand(program, context)
  logsCommand(program)
  execCommand(program)
  stopCommands(program)
  pullCommands(program, context)
}

function psCommand(program: Command, context: Context): void {
  program
    .command('ps')
    .description('containers that pratique run has started on this node')
    .option('-a, --all', 'those that have ended too')
    .option('--everything', 'those of the kubelet and others too')
    .action(async ({ all = false, everything = false }: { all?: boolean; everything?: boolean }) => {
      const found = await withAgent((client) => listContainers(client, everything))
      const shown = found.filter(({ state }) => all || state === 'running')
      if (context.isJson()) return printJson(shown)
      print(
        formatTable(shown, [
          { title: 'ID', value: ({ id }) => id.slice(0, 12) },
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'IMAGE', value: ({ image }) => image.replace(/@sha256:.*/, ''), isWide: true },
          { title: 'STATE', value: ({ state }) => state },
          { title: 'CREATED', value: ({ createdAt }) => new Date(createdAt).toISOString().slice(0, 16) },
        ]),
      )
    })
}

interface LogsOptions {
  readonly follow?: boolean
  readonly tail?: string
  readonly since?: string
  readonly timestamps?: boolean
}

function logsCommand(program: Command): void {
  program
    .command('logs')
    .description('what a container has printed')
    .argument('<container>')
    .option('-f, --follow', 'and what it will print')
    .option('--tail <number>', 'only the last lines')
    .option('--since <time>', 'only what is newer, as 2026-01-31T12:00:00Z')
    .option('--timestamps', 'with the time of each line')
    .action(async (wanted: string, { follow = false, tail, since, timestamps = false }: LogsOptions) => {
      if (tail !== undefined && !/^\d+$/.test(tail))
        throw new CommandError(`--tail takes a number, not ${tail}`)
      if (since !== undefined && Number.isNaN(Date.parse(since))) {
        throw new CommandError(`--since takes a time such as 2026-01-31T12:00:00Z, not ${since}`)
      }
      await withAgent(async (client) => {
        const { id } = await getContainer(client, wanted)
        const state = async () => (await client.call('ContainerStatus', { containerId: id })).status
        const path = (await state())?.logPath ?? ''
        if (path === '') throw new CommandError(`the container ${wanted} has no log`)
        let skip = tail === undefined ? 0 : Math.max(0, (await countLines(path)) - Number(tail))
        const isOver = async (): Promise<boolean> => !follow || (await state())?.state === 'CONTAINER_EXITED'
        for await (const line of followLog(path, isOver)) {
          if (skip-- > 0 || (since !== undefined && Date.parse(line.time) < Date.parse(since))) continue
          printLine(line, timestamps)
        }
      })
    })
}

async function countLines(path: string): Promise<number> {
  let count = 0
  for await (const _ of followLog(path, () => true)) count++
  return count
}

function execCommand(program: Command): void {
  program
    .command('exec')
    .description('run a command in a container')
    .argument('<container>')
    .argument('<command...>')
    .passThroughOptions()
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it a terminal')
    .action(
      async (
        wanted: string,
        cmd: string[],
        { interactive: stdin = false, tty = false }: { interactive?: boolean; tty?: boolean },
      ) => {
        process.exitCode = await withAgent(async (client) => {
          const { id: containerId } = await getContainer(client, wanted)
          const { connectStream } = await import('../../agent/serve.ts')
          const { url } = await client.call('Exec', {
            containerId,
            cmd,
            stdin,
            stdout: true,
            stderr: !tty,
            tty,
          })
          return withTerminal(tty, (streams) =>
            connectStream(url, { ...streams, ...(stdin ? { stdin: process.stdin } : {}), tty }),
          )
        })
      },
    )
}

function stopCommands(program: Command): void {
  program
    .command('stop')
    .description('end containers: asked first, killed after a while')
    .argument('<container...>')
    .option('-t, --time <seconds>', 'how long they have', '10')
    .action(async (wanted: string[], { time }: { time: string }) => {
      if (!/^\d{1,6}$/.test(time)) throw new CommandError(`--time takes seconds, not ${time}`)
      await withAgent(async (client) => {
        for (const one of wanted) {
          const { id: containerId } = await getContainer(client, one)
          await client.call('StopContainer', { containerId, timeout: Number(time) })
          print(one)
        }
      })
    })
  program
    .command('rm')
    .description('remove containers that have ended')
    .argument('<container...>')
    .option('-f, --force', 'those that run too')
    .action(async (wanted: string[], { force = false }: { force?: boolean }) => {
      await withAgent(async (client, socket) => {
        for (const one of wanted) {
          const { podId, state } = await getContainer(client, one)
          if (state === 'running' && !force) {
            throw new CommandError(`${one} runs; stop it first, or remove it with --force`)
          }
          await removePod(client, socket, podId)
          print(one)
        }
      })
    })
}

function pullCommands(program: Command, context: Context): void {
  program
    .command('pull')
    .description('bring a cleared image to this node')
    .argument('<image...>')
    .option('--handler <name>', 'for a runtime, as pratique runtimes names it')
    .action(async (images: string[], { handler }: { handler?: string }) => {
      await withAgent(async (_, socket) => {
        for (const image of images) {
          const { imageRef } = await pullImage(socket, image, { handler })
          if (context.isJson()) printJson({ image, id: imageRef })
          else print(imageRef)
        }
      })
    })
  program
    .command('rmi')
    .description('remove images from this node')
    .argument('<image...>')
    .action(async (images: string[]) => {
      await withAgent(async (client) => {
        for (const image of images) {
          await client.call('RemoveImage', { image: { image } })
          print(image)
        }
      })
    })
}
