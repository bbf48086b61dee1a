import { readGoVersion } from '../go/read-go-version.ts'
import type { Cataloger, FoundPackage } from '../types.ts'

const isJavaRelease = /(?:^|\/)release$/
const isGoVersion = /(?:^|\/)VERSION$/

/** Java runtimes and the Go toolchain, which lie in a folder of their own with a file that tells their version. */
export const releaseFiles: Cataloger = {
  name: 'release-files',
  maximumBytes: 64 * 1024,
  wants: (path, head) => {
    const text = head.toString('latin1')
    return (
      (isJavaRelease.test(path) && /^[A-Z_]+="/.test(text)) ||
      (isGoVersion.test(path) && text.startsWith('go1.'))
    )
  },
  read(path, file) {
    const found = isGoVersion.test(path) ? readToolchain(file.text()) : readJava(path, file.text())
    return found ? { packages: [found] } : {}
  },
}

function readToolchain(text: string): FoundPackage | undefined {
  const version = readGoVersion(text)
  return version === undefined ? undefined : { type: 'generic', name: 'golang', version }
}

/** The file `release` of a Java runtime (JEP 223 and before). Bitnami's advisories write `1.8.0_261` as `8.0.261`. */
function readJava(path: string, text: string): FoundPackage | undefined {
  const version = /^JAVA_VERSION="([\w.+-]{1,60})"/m.exec(text)?.[1]
  if (version === undefined) return undefined
  const old = /^1\.(\d{1,2})\.(\d{1,2})(?:_(\d{1,4}))?/.exec(version)
  const isRuntimeOnly =
    /^IMAGE_TYPE="JRE"/m.test(text) ||
    path.endsWith('jre/release') ||
    (/^MODULES="/m.test(text) && !/^MODULES="[^"]*\bjdk\.compiler\b/m.test(text))
  return {
    type: 'generic',
    name: isRuntimeOnly ? 'jre' : 'java',
    version: old ? `${old[1]}.${old[2]}.${old[3] ?? '0'}` : version,
  }
}
