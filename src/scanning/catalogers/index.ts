import { apk } from './apk/apk.ts'
import { dotnet } from './dotnet/dotnet.ts'
import { dpkg, dpkgFileLists } from './dpkg/dpkg.ts'
import { go } from './go/go.ts'
import { java } from './java/java.ts'
import { nodeLockFiles } from './node/lock-files.ts'
import { node } from './node/node.ts'
import { osRelease } from './os-release/os-release.ts'
import { php } from './php/php.ts'
import { conda } from './python/conda.ts'
import { python } from './python/python.ts'
import { rpm, rpmJournal } from './rpm/rpm.ts'
import { ruby } from './ruby/ruby.ts'
import type { Cataloger } from './types.ts'

/** Everything that tells of packages. A file is read by all that want it. */
export const catalogers: readonly Cataloger[] = [
  osRelease,
  dpkg,
  dpkgFileLists,
  apk,
  rpm,
  rpmJournal,
  node,
  nodeLockFiles,
  python,
  conda,
  java,
  ruby,
  php,
  dotnet,
  go,
]

export type { Cataloger, FileContent, FileFacts, FoundPackage } from './types.ts'
