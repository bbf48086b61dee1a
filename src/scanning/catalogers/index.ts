import { apk } from './apk/apk.ts'
import { dotnet } from './dotnet/dotnet.ts'
import { dpkg, dpkgFileLists } from './dpkg/dpkg.ts'
import { executables } from './executables/executables.ts'
import { go } from './go/go.ts'
import { java } from './java/java.ts'
import { nodeLockFiles } from './node/lock-files.ts'
import { node } from './node/node.ts'
import { osRelease } from './os-release/os-release.ts'
import { php } from './php/php.ts'
import { programs } from './programs/programs.ts'
import { releaseFiles } from './programs/release-files.ts'
import { conda } from './python/conda.ts'
import { python } from './python/python.ts'
import { rpm, rpmJournal } from './rpm/rpm.ts'
import { ruby } from './ruby/ruby.ts'
import { rust } from './rust/rust.ts'
import type { Cataloger } from './types.ts'
import { wasm } from './wasm/wasm.ts'

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
  executables,
  go,
  rust,
  programs,
  releaseFiles,
  wasm,
]

export type { Cataloger, FileContent, FileFacts, FoundPackage } from './types.ts'
