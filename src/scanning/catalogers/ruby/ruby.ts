import { namePackage } from '../name-package.ts'
import type { Cataloger } from '../types.ts'

/** Ruby's `freeze` and the like follow the texts; what is computed is not understood. */
const nameLine = /^[ \t]{0,40}\w{1,40}\.name[ \t]{0,20}=[ \t]{0,20}(?:"([^"\\]{1,200})"|'([^'\\]{1,200})')/m
const versionLine =
  /^[ \t]{0,40}\w{1,40}\.version[ \t]{0,20}=[ \t]{0,20}(?:Gem::Version\.new[( ] ?)?(?:"([^"\\]{1,200})"|'([^'\\]{1,200})')/m
/** What RubyGems writes on top of a specification that it installs: name, version, platform, folders. */
const stubLine = /^# stub: (\S{1,200}) (\S{1,200}) \S/m

/** Installed gems, those that come with Ruby (`default`) included (RubyGems, "Specification Reference"). */
export const ruby: Cataloger = {
  name: 'ruby',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => /(?:^|\/)specifications\/(?:default\/)?[^/]+\.gemspec$/.test(path),
  read(_path, file) {
    const text = file.text()
    const stub = stubLine.exec(text)
    const found = namePackage(
      'gem',
      stub?.[1] ?? firstOf(nameLine, text),
      stub?.[2] ?? firstOf(versionLine, text),
    )
    return found ? { packages: [found] } : { unknown: 'it names no gem and version' }
  },
}

function firstOf(line: RegExp, text: string): string | undefined {
  const match = line.exec(text)
  return match?.[1] ?? match?.[2]
}
