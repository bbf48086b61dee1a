/**
 * As advisories of the standard library write versions: `go1.22` as `1.22.0`, `go1.22rc1` as `1.22.0-rc.1`. A Go
 * built from source between releases (`devel go1.22-0123456`) comes before the release. Undefined for other texts.
 */
export function readGoVersion(text: string): string | undefined {
  const match = /^(devel )?go(\d{1,4}\.\d{1,4})(\.\d{1,4})?(?:(rc|beta)(\d{1,4}))?(?![0-9])/.exec(text)
  if (!match) return undefined
  const [, devel, minor, patch = '.0', stage, number] = match
  const before = stage ? `-${stage}.${number}` : devel ? '-devel' : ''
  return `${minor}${patch}${before}`
}
