import type { VexDocumentToWrite, VexProduct, VexStatement, VexStatus } from './types.ts'

const listOfStatus: Readonly<Record<VexStatus, string>> = {
  not_affected: 'known_not_affected',
  fixed: 'fixed',
  affected: 'known_affected',
  under_investigation: 'under_investigation',
}

/** Writes CSAF 2.0, profile 5 "VEX". */
export function writeCsaf(document: VexDocumentToWrite): object {
  const at = new Date(document.timestamp).toISOString()
  const ids = new ProductIds()
  const vulnerabilities = writeVulnerabilities(document.statements, ids)
  return {
    document: {
      category: 'csaf_vex',
      csaf_version: '2.0',
      lang: 'en',
      publisher: { category: 'user', name: document.author, namespace: document.namespace },
      title: document.title,
      tracking: {
        id: `vex-${document.uuid}`,
        status: 'final',
        version: '1',
        initial_release_date: at,
        current_release_date: at,
        revision_history: [{ date: at, number: '1', summary: 'Exported' }],
        generator: { date: at, engine: { name: 'Pratique' } },
      },
    },
    product_tree: ids.tree(),
    vulnerabilities,
  }
}

/** Gives every product, and every component of one, an id of its own. */
class ProductIds {
  readonly #names = new Map<string, string>()
  readonly #relationships = new Map<string, { component: string; whole: string; name: string }>()

  of({ id, subcomponents }: VexProduct): string[] {
    const whole = this.#idOf(id)
    return subcomponents.length === 0 ? [whole] : subcomponents.map((purl) => this.#relate(purl, id, whole))
  }

  tree(): object {
    const related = [...this.#relationships].map(([productId, { component, whole, name }]) => ({
      category: 'default_component_of',
      full_product_name: { product_id: productId, name },
      product_reference: component,
      relates_to_product_reference: whole,
    }))
    return {
      full_product_names: [...this.#names].map(([purl, productId]) => ({
        product_id: productId,
        name: purl,
        product_identification_helper: { purl },
      })),
      ...(related.length === 0 ? {} : { relationships: related }),
    }
  }

  #idOf(purl: string): string {
    const known = this.#names.get(purl)
    if (known !== undefined) return known
    const id = `P${this.#names.size + 1}`
    this.#names.set(purl, id)
    return id
  }

  #relate(purl: string, id: string, whole: string): string {
    const component = this.#idOf(purl)
    const productId = `${whole}:${component}`
    this.#relationships.set(productId, { component, whole, name: `${purl} in ${id}` })
    return productId
  }
}

/** One entry per vulnerability: CSAF 2.0, 6.1.23 refuses a CVE that stands twice. */
function writeVulnerabilities(statements: readonly VexStatement[], ids: ProductIds): object[] {
  const grouped = Map.groupBy(statements, ({ vulnerability }) => vulnerability)
  return [...grouped].map(([name, group]) => {
    const parts = group.map((statement) => ({
      statement,
      productIds: [...new Set(statement.products.flatMap((product) => ids.of(product)))],
    }))
    const aliases = new Set(group.flatMap((statement) => statement.aliases))
    return {
      ...namedAs(name, [...aliases]),
      notes: [{ category: 'description', text: notesOf(name, group) }],
      product_status: productStatus(parts),
      ...whyNotAffected(parts),
      ...whatToDo(parts),
    }
  })
}

interface Part {
  readonly statement: VexStatement
  readonly productIds: readonly string[]
}

function namedAs(name: string, aliases: readonly string[]): object {
  const cve = [name, ...aliases].find((one) => /^CVE-\d{4}-\d{4,}$/.test(one))
  const others = [name, ...aliases].filter((one) => one !== cve)
  return {
    ...(cve === undefined ? {} : { cve }),
    ...(others.length === 0
      ? {}
      : { ids: others.map((text) => ({ system_name: text.split('-', 1)[0] || 'other', text })) }),
  }
}

function notesOf(name: string, group: readonly VexStatement[]): string {
  return group.find(({ notes }) => notes !== undefined)?.notes ?? `${name} as judged for this product`
}

function productStatus(parts: readonly Part[]): object {
  const lists = Map.groupBy(parts, ({ statement }) => listOfStatus[statement.status])
  return Object.fromEntries(
    [...lists].map(([list, members]) => [
      list,
      [...new Set(members.flatMap(({ productIds }) => productIds))],
    ]),
  )
}

function whyNotAffected(parts: readonly Part[]): object {
  const quiet = parts.filter(({ statement }) => statement.status === 'not_affected')
  const flags = quiet
    .filter(({ statement }) => statement.justification !== undefined)
    .map(({ statement, productIds }) => ({ label: statement.justification, product_ids: productIds }))
  const threats = quiet
    .filter(({ statement }) => statement.impactStatement || !statement.justification)
    .map(({ statement, productIds }) => ({
      category: 'impact',
      details: statement.impactStatement || statement.notes || 'not affected',
      product_ids: productIds,
    }))
  return {
    ...(flags.length === 0 ? {} : { flags }),
    ...(threats.length === 0 ? {} : { threats }),
  }
}

/** Profile 5: every affected product needs an action. */
function whatToDo(parts: readonly Part[]): object {
  const remediations = parts
    .filter(({ statement }) => statement.status === 'affected')
    .map(({ statement, productIds }) => ({
      category: statement.actionStatement === undefined ? 'none_available' : 'vendor_fix',
      details: statement.actionStatement ?? 'none known',
      product_ids: productIds,
    }))
  return remediations.length === 0 ? {} : { remediations }
}
