import { join } from 'node:path'
import type { ContainerdConfig } from './containerd-config.ts'
import { checkOwner, findStats, findText, listNames } from './machine-files.ts'
import type { Machine, Report } from './types.ts'

const remedy = 'Write it with pratique policy export containerd --output / --force.'

/** Whether our verifier lies where containerd looks, among those that it runs, and only root can change it. */
export function checkVerifierFolder(
  machine: Machine,
  report: Report,
  { binDir, maximum }: ContainerdConfig['verifier'],
): void {
  const names = binDir === '' ? [] : listNames(machine, binDir)
  if (names.length === 0) {
    const what = binDir !== '' && findStats(machine, binDir) ? 'is empty' : 'does not exist'
    report.problem(
      'verifier',
      `the folder of verifiers ${JSON.stringify(binDir)} ${what}, so every image is accepted`,
      remedy,
    )
    return
  }
  const ours = names.filter((name) => isOurs(machine, join(binDir, name)))
  const [first] = ours
  if (first === undefined) {
    report.problem(
      'verifier',
      `none of the verifiers in ${binDir} (${names.join(', ')}) is that of pratique`,
      remedy,
    )
  } else if (maximum >= 0 && names.indexOf(first) >= maximum) {
    report.problem(
      'verifier',
      `max_verifiers is ${maximum}, and ${first} is number ${names.indexOf(first) + 1}, so it is never run`,
      'Set max_verifiers to -1 and restart containerd.',
    )
  } else report.ok('verifier', `${join(binDir, first)} is run`)
  checkExecutable(machine, report, binDir, names)
  for (const name of names) checkOwner(machine, report, 'verifier-owner', join(binDir, name))
}

/** A script that hands the call over to us, or we ourselves. */
function isOurs(machine: Machine, path: string): boolean {
  const stats = findStats(machine, path)
  if (!stats?.isFile()) return false
  if (/(^|\/)\d*-?pratique[^/]*$/.test(path)) return true
  return stats.size < 65_536 && /\bnode verify-image\b/.test(findText(machine, path) ?? '')
}

/** What cannot be run blocks every pull: closed, but nobody knows why. */
function checkExecutable(machine: Machine, report: Report, binDir: string, names: readonly string[]): void {
  const wrong = names.filter((name) => {
    const stats = findStats(machine, join(binDir, name))
    return !stats?.isFile() || (stats.mode & 0o111) === 0
  })
  if (wrong.length === 0) {
    report.ok('verifier-executable', 'all verifiers can be run')
    return
  }
  report.problem(
    'verifier-executable',
    `${wrong.join(', ')} in ${binDir} cannot be run, so every pull is refused`,
    'Make it executable (chmod 755), or take it out of the folder.',
  )
}
