import type { Loose } from '../json-values.ts'

/** Tags that stand for a field of the JSON form by another name. */
const documentFields: ReadonlyMap<string, string> = new Map([
  ['SPDXVersion', 'spdxVersion'],
  ['DocumentName', 'name'],
])
const packageFields: ReadonlyMap<string, string> = new Map([
  ['SPDXID', 'SPDXID'],
  ['PackageVersion', 'versionInfo'],
  ['PackageSourceInfo', 'sourceInfo'],
  ['PackageSummary', 'summary'],
  ['PrimaryPackagePurpose', 'primaryPackagePurpose'],
])

interface OpenPackage {
  [field: string]: unknown
  readonly externalRefs: Loose[]
  readonly attributionTexts: string[]
}

/** SPDX 2.3, tag-value format: what `readSpdx2` looks at, in the shape of the JSON form. */
export function parseTagValue(text: string): Loose {
  const document: Record<string, unknown> = {}
  const packages: OpenPackage[] = []
  const relationships: Loose[] = []
  let current: OpenPackage | undefined
  for (const [tag, value] of readTags(text)) {
    if (tag === 'PackageName') {
      packages.push((current = { name: value, externalRefs: [], attributionTexts: [] }))
    } else if (tag === 'FileName' || tag === 'SnippetSPDXID') current = undefined
    else if (tag === 'Relationship') {
      const [from, relationshipType, to] = value.split(' ', 3)
      relationships.push({ spdxElementId: from, relationshipType, relatedSpdxElement: to })
    } else if (documentFields.has(tag)) document[documentFields.get(tag) as string] = value
    else if (current) addToPackage(current, tag, value)
  }
  return { ...document, packages, relationships }
}

function addToPackage(current: OpenPackage, tag: string, value: string): void {
  if (tag === 'PackageAttributionText') current.attributionTexts.push(value)
  else if (tag === 'ExternalRef') {
    const [referenceCategory, referenceType, referenceLocator] = value.split(' ', 3)
    current.externalRefs.push({ referenceCategory, referenceType, referenceLocator })
  } else if (packageFields.has(tag)) current[packageFields.get(tag) as string] = value
}

/** `Tag: value`, where a value between `<text>` and `</text>` goes over several lines. */
function* readTags(text: string): Generator<readonly [string, string]> {
  let at = 0
  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    let end = newline < 0 ? text.length : newline
    const line = text.slice(at, end)
    const colon = line.indexOf(':')
    const tag = line.slice(0, Math.max(0, colon)).trim()
    let value = line.slice(colon + 1).trim()
    if (value.startsWith('<text>')) {
      const start = text.indexOf('<text>', at) + '<text>'.length
      const close = text.indexOf('</text>', start)
      value = text.slice(start, close < 0 ? text.length : close)
      end = close < 0 ? text.length : Math.max(end, close + '</text>'.length)
    }
    at = end + 1
    if (tag !== '' && !tag.startsWith('#')) yield [tag, value]
  }
}
