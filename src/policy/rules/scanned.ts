import type { Rule } from './index.ts'

export const scanned: Rule = (rules, { scan }) => {
  if (!rules.scanned) return undefined
  const unread = scan.unknowns.find(({ isDatabase }) => isDatabase)
  if (unread) {
    return {
      rule: 'scanned',
      outcome: 'undetermined',
      message: `scanned, but not what the system has installed: ${unread.path} (${unread.reason}); mend the image and push it again`,
    }
  }
  if (scan.state === 'done') {
    return {
      rule: 'scanned',
      outcome: 'pass',
      message: `${scan.packages} ${scan.packages === 1 ? 'package' : 'packages'} found`,
    }
  }
  const message =
    scan.state === 'failed'
      ? `could not be scanned: ${scan.error ?? 'unknown reason'}; mend the image and push it again`
      : 'the scan has not finished yet; wait for it'
  return { rule: 'scanned', outcome: 'undetermined', message }
}
