import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ociLayout } from '../../src/gate/targets/oci-layout.ts'
import type { InstalledPackage } from '../../src/scanning/types.ts'

/** What came of one kind of package in one image. */
export interface PackageTally {
  readonly image: string
  readonly kind: string
  readonly judge: string
  readonly expected: number
  readonly found: number
  readonly right: number
  readonly differences: readonly string[]
}

const images = [
  { name: 'debian-released', tar: 'released.tar' },
  { name: 'debian-updated', tar: 'updated.tar' },
  { name: 'debian-large', tar: 'large.tar', application: 'app/srv/app' },
] as const

/** Scans the images of `scripts/build-scan-images`, and compares with what the packagers' own tools list. */
export async function measurePackages(folder: string): Promise<PackageTally[]> {
  const tallies: PackageTally[] = []
  for (const image of images) {
    const packages = await scan(join(folder, image.name))
    tallies.push(tally(image.name, packages, 'deb', 'dpkg-query', askDpkg(join(folder, image.tar))))
    if ('application' in image) {
      const listed = askNpm(join(folder, image.application))
      tallies.push(tally(image.name, packages, 'npm', 'npm ls --all', listed))
    }
  }
  return tallies
}

async function scan(layout: string): Promise<readonly InstalledPackage[]> {
  const target = await ociLayout.open(layout, { timeoutMs: 600_000 })
  try {
    return (await target.images[0]?.readInventory())?.packages ?? []
  } finally {
    await target.close()
  }
}

function tally(
  image: string,
  packages: readonly InstalledPackage[],
  kind: string,
  judge: string,
  expected: ReadonlySet<string>,
): PackageTally {
  const found = new Set(
    packages.filter(({ type }) => type === kind).map(({ name, version }) => `${name} ${version}`),
  )
  const missing = [...expected].filter((one) => !found.has(one)).map((one) => `${one} is missing`)
  const added = [...found]
    .filter((one) => !expected.has(one))
    .map((one) => `${one} is not listed by ${judge}`)
  return {
    image,
    kind,
    judge,
    expected: expected.size,
    found: found.size,
    right: found.size - added.length,
    differences: [...missing, ...added].toSorted(),
  }
}

/** What dpkg itself says is installed, from the database in the tar that the image was made of. */
function askDpkg(tar: string): ReadonlySet<string> {
  const root = mkdtempSync(join(tmpdir(), 'pratique-bench-dpkg-'))
  try {
    execFileSync('tar', ['-xf', tar, '-C', root, './var/lib/dpkg'])
    const format = '${db:Status-Status} ${Package} ${Version}\n'
    const text = execFileSync(
      'dpkg-query',
      [`--admindir=${join(root, 'var/lib/dpkg')}`, '--show', `--showformat=${format}`],
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    )
    const installed = text.split('\n').filter((line) => line.startsWith('installed '))
    return new Set(installed.map((line) => line.slice('installed '.length)))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

interface NpmTree {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, NpmTree>>
}

/** What npm itself says is installed below a folder. */
function askNpm(folder: string): ReadonlySet<string> {
  const text = execFileSync('npm', ['ls', '--all', '--json', '--prefix', folder], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const listed = new Set<string>()
  const walk = ({ dependencies = {} }: NpmTree): void => {
    for (const [name, tree] of Object.entries(dependencies)) {
      if (tree.version !== undefined) listed.add(`${name} ${tree.version}`)
      walk(tree)
    }
  }
  walk(JSON.parse(text) as NpmTree)
  return listed
}
