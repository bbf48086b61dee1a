const inPackageFolder = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/
/** Below a package, what lies in these is there to be tested with, not to run. */
const trials = new Set(['test', 'tests', '__tests__', 'fixtures', '__fixtures__', 'fixture', 'testdata'])

/**
 * True for the `package.json` of a package that Node could load: in a folder of `node_modules` that belongs to an
 * application, to a package in turn (bundled), or to a store (`.pnpm`). Packages bring whole trees of their own
 * along to test with; those are not installed.
 */
export function isInstalledAt(path: string): boolean {
  if (!inPackageFolder.test(path)) return false
  const first = path.startsWith('node_modules/') ? 0 : path.indexOf('/node_modules/') + 1
  return !path
    .slice(first, path.lastIndexOf('/node_modules/'))
    .split('/')
    .some((folder, index, folders) => trials.has(folder) && !isPackageName(folders, index))
}

/** A package may be called `test`: then its folder stands right below `node_modules`, or below a scope. */
function isPackageName(folders: readonly string[], index: number): boolean {
  const above = folders[index - 1]
  return (
    above === 'node_modules' || (above?.startsWith('@') === true && folders[index - 2] === 'node_modules')
  )
}
