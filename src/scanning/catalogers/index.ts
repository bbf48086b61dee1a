import { apk } from './apk/apk.ts'
import { dpkg, dpkgFileLists } from './dpkg/dpkg.ts'
import { go } from './go/go.ts'
import { node } from './node/node.ts'
import { osRelease } from './os-release/os-release.ts'
import { python } from './python/python.ts'
import type { Cataloger } from './types.ts'

/** Everything that tells of packages. A file is read by all that want it. */
export const catalogers: readonly Cataloger[] = [osRelease, dpkg, dpkgFileLists, apk, node, python, go]

export type { Cataloger, FileContent, FileFacts, FoundPackage } from './types.ts'
