import { apk } from './apk.ts'
import { dpkg, dpkgFileLists } from './dpkg.ts'
import { node, python } from './language.ts'
import { osRelease } from './os-release.ts'
import type { Cataloger } from './types.ts'

/** Everything that tells of packages by its path. Go binaries are told by their content instead. */
export const catalogers: readonly Cataloger[] = [osRelease, dpkg, dpkgFileLists, apk, node, python]

export { GoBinaryReader } from './go-binary.ts'
export type { Cataloger, FileFacts, FoundPackage } from './types.ts'
