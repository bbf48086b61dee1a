import type { Finding } from '../../scanning/index.ts'
import { isDigest } from '../../kernel/digest.ts'
import { matchesPurl, parsePurl } from './match-purl.ts'
import type { VexProduct, VexStatement } from './types.ts'

/** What has to be known of an image to tell whether a statement is about it. */
export interface ImageFacts {
  readonly digest: string
  /** The repository in which it is looked at. */
  readonly repository: string
  /** Digests of the indexes in that repository that list it. */
  readonly parents: readonly string[]
  /** The base that it was built on, and how many of its layers are the base's. */
  readonly base?: { readonly name: string; readonly version: string; readonly layers: number }
  /** What else it holds, for statements about a program that has other packages built in. */
  readonly packages?: readonly { readonly purl: string; readonly path: string }[]
}

type Found = Pick<Finding, 'id' | 'aliases' | 'purl' | 'path' | 'packageType'>

/** True when a statement says something of a finding in an image, under any name of the vulnerability. */
export function matches(
  statement: Pick<VexStatement, 'vulnerability' | 'aliases' | 'products'>,
  finding: Found,
  image: ImageFacts,
): boolean {
  return (
    isSameVulnerability(statement, finding) &&
    statement.products.some((product) => concerns(product, finding, image))
  )
}

/** The same vulnerability has many names: `CVE-…`, `GHSA-…`, `GO-…`. */
export function isSameVulnerability(
  one: { readonly vulnerability: string; readonly aliases: readonly string[] },
  finding: Pick<Finding, 'id' | 'aliases'>,
): boolean {
  const names = new Set([finding.id, ...finding.aliases].map((name) => name.toUpperCase()))
  return [one.vulnerability, ...one.aliases].some((name) => names.has(name.toUpperCase()))
}

/** True when a product is what a finding was found in. */
export function concerns(product: VexProduct, finding: Found, image: ImageFacts): boolean {
  const isWithin =
    product.subcomponents.length === 0 ||
    product.subcomponents.some((subcomponent) => matchesPurl(subcomponent, finding.purl))
  if (isImageProduct(product.id)) return isWithin && isThisImage(product.id, image)
  if (product.subcomponents.length === 0 && matchesPurl(product.id, finding.purl)) return true
  return isWithin && isBuiltInto(product.id, finding, image)
}

/** True for what names an image rather than a package. */
export function isImageProduct(id: string): boolean {
  return isDigest(id) || parsePurl(id)?.type === 'oci'
}

/**
 * purl-spec, "oci": the version is the digest. Without one the repository's address has to end in the very
 * repository that is looked at; a bare name could be anybody's image.
 */
function isThisImage(id: string, { digest, parents, repository }: ImageFacts): boolean {
  if (isDigest(id)) return id === digest || parents.includes(id)
  const purl = parsePurl(id)
  if (purl?.version !== undefined) return purl.version === digest || parents.includes(purl.version)
  const address = purl?.qualifiers?.['repository_url'] ?? ''
  const slash = address.indexOf('/')
  return slash > 0 && address.slice(slash + 1) === repository && repository.split('/').at(-1) === purl?.name
}

/** Programs that carry their packages inside one file; for others a path is shared by strangers. */
const builtInTypes: readonly string[] = ['golang', 'cargo']

/** A statement about a program speaks for the packages that were built into the same file. */
function isBuiltInto(program: string, finding: Found, { packages = [] }: ImageFacts): boolean {
  if (!builtInTypes.includes(finding.packageType)) return false
  return packages.some(({ purl, path }) => path === finding.path && matchesPurl(program, purl))
}

const hushing: Readonly<Record<VexStatement['status'], number>> = {
  affected: 0,
  under_investigation: 1,
  fixed: 2,
  not_affected: 3,
}

/** Of several statements the latest holds; of those of one moment the one that hushes up the least. */
export function latestOf<Statement extends Pick<VexStatement, 'status' | 'timestamp'>>(
  statements: readonly Statement[],
): Statement | undefined {
  return statements.toSorted(
    (left, right) => right.timestamp - left.timestamp || hushing[left.status] - hushing[right.status],
  )[0]
}
