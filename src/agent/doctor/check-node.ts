import type { NodeConfig, RuntimeTrust } from '../../runtime/offline.ts'
import { readCredentials, readNodeConfig, readTrust, trustFile } from '../read-node.ts'
import { checkOwner, place } from './machine-files.ts'
import { Report, type Check, type Machine } from './types.ts'
import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const hourMs = 3_600_000
const soonMs = 24 * hourMs

/** The node's own files, opened as the verifier opens them. */
export interface NodeFiles {
  readonly config: NodeConfig | undefined
  readonly trust: RuntimeTrust | undefined
  readonly checks: readonly Check[]
}

/** Whether the node has a trust that holds and lasts, and only root can change whom it trusts. */
export async function checkNode(machine: Machine): Promise<NodeFiles> {
  const report = new Report('node')
  const path = place(machine, machine.nodeConfigPath)
  let config: NodeConfig
  try {
    config = readNodeConfig(path)
  } catch (error) {
    report.problem(
      'config',
      (error as Error).message,
      'Run pratique policy export containerd --output / on the node.',
    )
    return { config: undefined, trust: undefined, checks: report.checks }
  }
  report.ok(
    'config',
    `images of ${config.registry} are verified by the word of ${config.signer === 'server' ? 'the server' : 'the policy'}`,
  )
  checkOwner(machine, report, 'config-owner', machine.nodeConfigPath)
  checkOwner(machine, report, 'trust-owner', join(dirname(machine.nodeConfigPath), config.trust))
  checkOthers(report, config)
  checkCredentials(report, path, config)
  return { config, trust: await checkTrust(machine, report, path, config), checks: report.checks }
}

async function checkTrust(
  machine: Machine,
  report: Report,
  path: string,
  config: NodeConfig,
): Promise<RuntimeTrust | undefined> {
  try {
    const trust = await readTrust(path, config, machine.now)
    const hours = Math.floor((trust.expiresAt - machine.now) / hourMs)
    const what = `policy version ${trust.policyVersion} holds for ${hours} more hours`
    if (trust.expiresAt - machine.now > soonMs) report.ok('trust', what)
    else {
      report.problem(
        'trust',
        `${what}, and then every image is refused`,
        'Run pratique node refresh, and run it daily.',
      )
    }
    return trust
  } catch (error) {
    report.problem(
      'trust',
      `${trustFile(path, config)}: ${(error as Error).message}`,
      'Run pratique node refresh; until then every image is refused.',
    )
    return undefined
  }
}

function checkOthers(report: Report, { others, registry }: NodeConfig): void {
  if (others === 'reject') report.ok('others', `only images of ${registry} are accepted`)
  else {
    report.problem(
      'others',
      `images of every registry but ${registry} are accepted unverified, also those of other names of it`,
      'Mirror what is needed, and set others to reject in node.json.',
    )
  }
}

function checkCredentials(report: Report, path: string, config: NodeConfig): void {
  if (config.credentials === undefined) return
  const file = resolve(dirname(path), config.credentials)
  const stats = statSync(file, { throwIfNoEntry: false })
  try {
    if (!stats || !readCredentials(path, config)) {
      report.unknown(
        'credentials',
        `there is no ${file}, so signatures are asked for without an account`,
        'Put username and password of a robot that may pull into it, unless everybody may pull.',
      )
    } else if ((stats.mode & 0o077) !== 0) {
      report.problem('credentials', `${file} can be read by others`, 'Let only root read it (chmod 600).')
    } else report.ok('credentials', 'an account is set up that only root can read')
  } catch (error) {
    report.problem('credentials', (error as Error).message, 'Put {"username": …, "password": …} into it.')
  }
}
