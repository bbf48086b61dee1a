import { PackageURL } from 'packageurl-js'
import { scoreOf } from '../cvss.ts'
import type { AffectedState } from '../tables.ts'
import { asList, asObject, asSummary, asText, asTexts, asTime, isCve } from './read-json.ts'
import { moduleOf } from './osv.ts'
import type { AffectedEntry, SourceAdapter, SourceRecord } from './types.ts'

const maximumDepth = 20
const maximumProducts = 500_000

/**
 * Red Hat's CSAF documents: VEX files, one a CVE, and advisories, one an RHSA. Only what concerns rpm packages
 * of Red Hat Enterprise Linux itself is taken: extended updates and layered products have fixes of their own.
 */
export const redHatVex: SourceAdapter = {
  name: 'red-hat-vex',
  defaultUrl: '',
  requests: (url) => (url === '' ? [] : [{ source: 'red-hat-vex', url, suffix: suffixOf(url) }]),
  accepts: (record) => findCsaf(record) !== undefined,
  *read(record) {
    const csaf = findCsaf(record) ?? {}
    const products = readProducts(asObject(csaf['product_tree']))
    for (const entry of asList(csaf['vulnerabilities']))
      yield readVulnerability(asObject(entry), asObject(csaf['document']), products)
  },
}

/** The document itself, or as a line `{source, path, document}` of a bundle. */
function findCsaf(record: unknown): Readonly<Record<string, unknown>> | undefined {
  const outer = asObject(record)
  const inner = asObject(outer['document'])
  if ('csaf_version' in inner) return outer
  return 'csaf_version' in asObject(inner['document']) ? inner : undefined
}

function suffixOf(url: string): string {
  return /\.(?:tar\.zst|tar\.gz|tgz|zip|jsonl\.gz|json\.gz)$/.exec(url)?.[0] ?? '.json'
}

/** A package as part of a release. */
interface Component {
  readonly ecosystem: string
  readonly package: string
  readonly version: string | undefined
  readonly module: string | undefined
}

/** CSAF 2.0, section 3.2.2 "Product Tree": products by id, and the relationships that put them together. */
function readProducts(tree: Readonly<Record<string, unknown>>): ReadonlyMap<string, Component> {
  const helpers = new Map<string, Readonly<Record<string, unknown>>>()
  collectProducts(asList(tree['branches']), helpers, 0)
  const relations = asList(tree['relationships']).map(asObject).slice(0, maximumProducts)
  const parents = new Map(
    relations.map((relation) => [
      asText(asObject(relation['full_product_name'])['product_id']) ?? '',
      relation,
    ]),
  )
  const components = new Map<string, Component>()
  for (const [id, relation] of parents) {
    const component = readComponent(relation, parents, helpers)
    if (component) components.set(id, component)
  }
  return components
}

function collectProducts(
  branches: readonly unknown[],
  into: Map<string, Readonly<Record<string, unknown>>>,
  depth: number,
): void {
  if (depth > maximumDepth) throw new Error('its product tree is too deep')
  for (const branch of branches.map(asObject)) {
    const product = asObject(branch['product'])
    const id = asText(product['product_id'])
    if (id !== undefined && into.size < maximumProducts)
      into.set(id, asObject(product['product_identification_helper']))
    collectProducts(asList(branch['branches']), into, depth + 1)
  }
}

function readComponent(
  relation: Readonly<Record<string, unknown>>,
  parents: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
  helpers: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): Component | undefined {
  const purl = parsePurl(asText(helpers.get(asText(relation['product_reference']) ?? '')?.['purl']))
  if (!purl || purl.qualifiers?.['arch'] === 'src') return undefined
  let owner = asText(relation['relates_to_product_reference']) ?? ''
  let module = moduleOfPurl(purl)
  // A package of a module relates to the module, and that to the release.
  const between = parents.get(owner)
  if (between) {
    const holder = parsePurl(
      asText(helpers.get(asText(between['product_reference']) ?? '')?.['purl']),
      'rpmmod',
    )
    if (holder) module = `${holder.name}:${(holder.version ?? '').split(':')[0]}`
    owner = asText(between['relates_to_product_reference']) ?? ''
  }
  const major = /^cpe:\/[ao]:redhat:enterprise_linux:(\d{1,2})(?:\.\d{1,2})?(?::|$)/.exec(
    asText(helpers.get(owner)?.['cpe']) ?? '',
  )?.[1]
  if (major === undefined || (purl.type === 'rpmmod' && module === undefined)) return undefined
  const epoch = purl.qualifiers?.['epoch']
  const version = purl.type === 'rpm' && purl.version ? `${epoch ?? '0'}:${purl.version}` : undefined
  return { ecosystem: `Red Hat:${major}`, package: purl.name, version, module }
}

/** `pkg:rpm/redhat/NAME?rpmmod=MODULE:STREAM:…`, or for a package without a fix `pkg:rpmmod/redhat/MODULE:STREAM/NAME`. */
function moduleOfPurl(purl: PackageURL): string | undefined {
  const label = purl.qualifiers?.['rpmmod']
  if (label !== undefined) return label.split(':').slice(0, 2).join(':')
  const module = (purl.namespace ?? '').split('/')[1]
  return purl.type === 'rpmmod' && module !== undefined ? decodeURIComponent(module) : undefined
}

function parsePurl(text: string | undefined, only?: string): PackageURL | undefined {
  if (text === undefined || !/^pkg:rpm(?:mod)?\//.test(text) || text.length > 1000) return undefined
  try {
    const purl = PackageURL.fromString(text)
    return only === undefined || purl.type === only ? purl : undefined
  } catch {
    return undefined
  }
}

function readVulnerability(
  vulnerability: Readonly<Record<string, unknown>>,
  document: Readonly<Record<string, unknown>>,
  products: ReadonlyMap<string, Component>,
): SourceRecord {
  const id = asText(vulnerability['cve'])
  if (id === undefined || !isCve(id)) return { skipped: true }
  const ratings = asList(vulnerability['scores']).map(asObject)
  const score = scoreOf(
    ratings
      .flatMap((rating) => [asObject(rating['cvss_v3']), asObject(rating['cvss_v2'])])
      .map((rating) => asText(rating['vectorString']))
      .filter((vector) => vector !== undefined),
  )
  const severity = asText(asObject(document['aggregate_severity'])['text'])?.toLowerCase()
  const tracking = asObject(document['tracking'])
  return {
    advisory: {
      id,
      aliases: [],
      ...(severity === undefined ? {} : { severity }),
      ...(score === undefined ? {} : { score }),
      summary: asSummary(vulnerability['title'], document['title']),
      modifiedAt: asTime(tracking['current_release_date']),
      affected: readStatuses(vulnerability, products),
    },
  }
}

/** CSAF 2.0, section 3.2.3.9 "Vulnerabilities Property - Product Status". */
function readStatuses(
  vulnerability: Readonly<Record<string, unknown>>,
  products: ReadonlyMap<string, Component>,
): readonly AffectedEntry[] {
  const status = asObject(vulnerability['product_status'])
  const remedies = readRemedies(vulnerability)
  const entries = new Map<string, AffectedEntry>()
  const add = (name: string, stateOf: (product: string) => AffectedState | undefined): void => {
    for (const product of asTexts(status[name])) {
      const component = products.get(product)
      // Without a version a component is as it was shipped: only a fix names the one that mends it.
      if (!component || (name === 'fixed' && component.version === undefined)) continue
      const entry = makeEntry(component, name === 'fixed', stateOf(product))
      entries.set(JSON.stringify(entry), entry)
    }
  }
  add('known_not_affected', () => 'not-affected')
  add('known_affected', (product) => remedies.get(product) ?? 'unfixed')
  add('under_investigation', () => 'unknown')
  add('fixed', () => undefined)
  return [...entries.values()]
}

function makeEntry(component: Component, isFixed: boolean, state: AffectedState | undefined): AffectedEntry {
  const fixed = isFixed ? component.version : undefined
  const module = component.module ?? moduleOf(fixed ?? '', '')
  return {
    ecosystem: component.ecosystem,
    package: component.package,
    ranges: [{ events: [{ introduced: '0' }, ...(fixed === undefined ? [] : [{ fixed }])] }],
    versions: [],
    ...(state === undefined ? {} : { state }),
    ...(module === undefined ? {} : { module }),
  }
}

/** What Red Hat says of products without a fix: "Affected", "Fix deferred", "Will not fix", "Out of support scope". */
function readRemedies(vulnerability: Readonly<Record<string, unknown>>): ReadonlyMap<string, AffectedState> {
  const states = new Map<string, AffectedState>()
  for (const remedy of asList(vulnerability['remediations']).map(asObject)) {
    const details = asText(remedy['details'])?.toLowerCase() ?? ''
    const state = stateOfRemedy(asText(remedy['category']), details)
    if (state) for (const product of asTexts(remedy['product_ids'])) states.set(product, state)
  }
  return states
}

function stateOfRemedy(category: string | undefined, details: string): AffectedState | undefined {
  if (category === 'no_fix_planned')
    return details.includes('out of support') ? 'end-of-life' : 'will-not-fix'
  if (category !== 'none_available') return undefined
  return details.includes('deferred') ? 'deferred' : 'unfixed'
}
