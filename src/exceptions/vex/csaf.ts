import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { ProductTree, productsById } from './csaf-products.ts'
import { Collected, invalidVex, shorten, timeOf } from './limits.ts'
import {
  justifications,
  type VexDocument,
  type VexProduct,
  type VexStatement,
  type VexStatus,
} from './types.ts'

const Text = Type.String({ maxLength: 100_000 })
const Ids = Type.Optional(Type.Array(Text, { maxItems: 50_000 }))
const about = { product_ids: Ids, group_ids: Ids }
const Vulnerability = Type.Object({
  cve: Type.Optional(Text),
  ids: Type.Optional(Type.Array(Type.Object({ text: Text }), { maxItems: 100 })),
  product_status: Type.Optional(Type.Record(Type.String(), Type.Array(Text, { maxItems: 50_000 }))),
  flags: Type.Optional(Type.Array(Type.Object({ label: Text, ...about }))),
  threats: Type.Optional(Type.Array(Type.Object({ category: Text, details: Text, ...about }))),
  remediations: Type.Optional(Type.Array(Type.Object({ category: Text, details: Text, ...about }))),
})
const Document = Type.Object({
  document: Type.Object({
    csaf_version: Text,
    publisher: Type.Object({ name: Text }),
    tracking: Type.Object({ id: Text, current_release_date: Text }),
  }),
  product_tree: Type.Optional(ProductTree),
  vulnerabilities: Type.Optional(Type.Array(Vulnerability)),
})
type Vulnerability = Static<typeof Vulnerability>

/** CSAF 2.0, 3.2.3.9 "Product Status". `recommended` says nothing about the vulnerability. */
const statusOfList: Readonly<Record<string, VexStatus>> = {
  known_not_affected: 'not_affected',
  fixed: 'fixed',
  first_fixed: 'fixed',
  known_affected: 'affected',
  first_affected: 'affected',
  last_affected: 'affected',
  under_investigation: 'under_investigation',
}

export function isCsaf(document: Readonly<Record<string, unknown>>): boolean {
  const { document: head } = document
  return typeof head === 'object' && head !== null && 'csaf_version' in head
}

/** Reads CSAF 2.0, profile 5 "VEX". Throws VEX_INVALID. */
export function readCsaf(document: unknown): VexDocument {
  if (!Value.Check(Document, document)) {
    const [first] = Value.Errors(Document, document)
    throw invalidVex(`${first?.instancePath || 'the document'} ${first?.message ?? 'has the wrong form'}`)
  }
  const { publisher, tracking } = document.document
  const head = { author: shorten(publisher.name, 200), timestamp: timeOf(tracking.current_release_date) }
  const tree = document.product_tree ?? {}
  const products = productsById(tree)
  const groups = new Map((tree.product_groups ?? []).map((group) => [group.group_id, group.product_ids]))
  const collected = new Collected<VexStatement>()
  for (const [index, vulnerability] of (document.vulnerabilities ?? []).entries()) {
    readVulnerability(vulnerability, `vulnerability ${index + 1}`, { head, products, groups, collected })
  }
  return {
    format: 'csaf',
    id: shorten(tracking.id, 500),
    ...head,
    statements: collected.statements,
    skipped: collected.skipped,
  }
}

interface Reading {
  readonly head: Pick<VexStatement, 'author' | 'timestamp'>
  readonly products: ReadonlyMap<string, VexProduct>
  readonly groups: ReadonlyMap<string, readonly string[]>
  readonly collected: Collected<VexStatement>
}

/** Products of one status that have the same flag, threat and remediation make one statement. */
function readVulnerability(vulnerability: Vulnerability, what: string, reading: Reading): void {
  const { products, collected, head } = reading
  const names = [vulnerability.cve, ...(vulnerability.ids ?? []).map(({ text }) => text)]
  const [name, ...aliases] = names.filter((one) => one !== undefined && one !== '' && one.length <= 100)
  if (name === undefined) return collected.skip(what, 'it has neither a CVE nor another id')
  const reasons = reasonsOf(vulnerability, reading.groups)
  for (const [list, ids] of Object.entries(vulnerability.product_status ?? {})) {
    const status = Object.hasOwn(statusOfList, list) ? statusOfList[list] : undefined
    if (!status) continue
    const alike = Map.groupBy(ids, (id) => JSON.stringify(reasons(id, status)))
    for (const [key, members] of alike) {
      const known = members.map((id) => products.get(id)).filter((product) => product !== undefined)
      const reason = JSON.parse(key) as Reason
      if (known.length < members.length) {
        const missing = members.find((id) => !products.has(id)) as string
        collected.skip(`${name}: ${missing}`, 'the product, or what it is a component of, has no package URL')
      }
      if (known.length === 0) continue
      if (status === 'not_affected' && !reason.justification && !reason.impactStatement) {
        collected.skip(`${name}: ${members[0]}`, 'known_not_affected needs a flag or an impact')
        continue
      }
      collected.add({
        vulnerability: name,
        aliases: aliases as string[],
        status,
        ...reason,
        products: known,
        ...head,
      })
    }
  }
}

type Reason = Pick<VexStatement, 'justification' | 'impactStatement' | 'actionStatement'>

/** What is said of a product beside its status: CSAF 2.0, 3.2.3.5 flags, .14 threats, .12 remediations. */
function reasonsOf(
  { flags = [], threats = [], remediations = [] }: Vulnerability,
  groups: Reading['groups'],
): (productId: string, status: VexStatus) => Reason {
  const labels = firstPerProduct(flags, ({ label }) => label, groups)
  const impacts = firstPerProduct(
    threats.filter(({ category }) => category === 'impact'),
    ({ details }) => details,
    groups,
  )
  const actions = firstPerProduct(remediations, ({ details }) => details, groups)
  return (id, status) => {
    const label = labels(id)
    const justification = status === 'not_affected' ? justifications.find((one) => one === label) : undefined
    const impact = status === 'not_affected' ? impacts(id) : undefined
    const action = status === 'affected' ? actions(id) : undefined
    return {
      ...(justification === undefined ? {} : { justification }),
      ...(impact === undefined ? {} : { impactStatement: shorten(impact) }),
      ...(action === undefined ? {} : { actionStatement: shorten(action) }),
    }
  }
}

/** What an entry without products says holds for all of them. */
function firstPerProduct<Entry extends { product_ids?: string[]; group_ids?: string[] }>(
  entries: readonly Entry[],
  textOf: (entry: Entry) => string,
  groups: Reading['groups'],
): (productId: string) => string | undefined {
  const texts = new Map<string, string>()
  const ofGroup = new Map<string, string>()
  let general: string | undefined
  for (const entry of entries) {
    if (!entry.product_ids && !entry.group_ids) general ??= textOf(entry)
    for (const id of entry.product_ids ?? []) if (!texts.has(id)) texts.set(id, textOf(entry))
    for (const id of entry.group_ids ?? []) if (!ofGroup.has(id)) ofGroup.set(id, textOf(entry))
  }
  for (const [group, text] of ofGroup) {
    for (const id of groups.get(group) ?? []) if (!texts.has(id)) texts.set(id, text)
  }
  return (id) => texts.get(id) ?? general
}
