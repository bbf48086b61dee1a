import { parsePurl } from './match-purl.ts'
import type { VexDocumentToWrite, VexProduct, VexStatement } from './types.ts'
import { cycloneDxOfJustification, stateOfStatus } from './words.ts'

/** Writes CycloneDX 1.6 with the products as components and each statement as a vulnerability's analysis. */
export function writeCycloneDxVex(document: VexDocumentToWrite): object {
  const products = document.statements.flatMap((statement) => statement.products)
  const wholes = [...new Set(products.map(({ id }) => id))]
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${document.uuid}`,
    version: 1,
    metadata: {
      timestamp: new Date(document.timestamp).toISOString(),
      authors: [{ name: document.author }],
    },
    components: wholes.map((id) => writeProduct(id, products)),
    vulnerabilities: document.statements.map((statement, index) => writeVulnerability(statement, index)),
  }
}

function writeProduct(id: string, products: readonly VexProduct[]): object {
  const inside = products.filter((product) => product.id === id).flatMap(({ subcomponents }) => subcomponents)
  const parts = [...new Set(inside)].map((purl) => ({
    type: 'library',
    'bom-ref': refOf(id, purl),
    ...namedAs(purl),
  }))
  const type = parsePurl(id)?.type === 'oci' ? 'container' : 'library'
  return { type, 'bom-ref': id, ...namedAs(id), ...(parts.length === 0 ? {} : { components: parts }) }
}

/** One package may be in several images, so that its own URL is not enough of a name. */
function refOf(id: string, purl: string): string {
  return `${id}#${purl}`
}

function namedAs(id: string): object {
  const purl = parsePurl(id)
  if (!purl) return { name: id }
  const { namespace, name, version } = purl
  return {
    ...(namespace ? { group: namespace } : {}),
    name,
    ...(version ? { version } : {}),
    purl: id,
  }
}

function writeVulnerability(statement: VexStatement, index: number): object {
  const { justification, status, impactStatement, notes, actionStatement } = statement
  const detail = impactStatement ?? notes
  const at = new Date(statement.timestamp).toISOString()
  return {
    'bom-ref': `statement-${index + 1}`,
    id: statement.vulnerability,
    ...(statement.aliases.length === 0
      ? {}
      : { references: statement.aliases.map((id) => ({ id, source: { name: id.split('-', 1)[0] } })) }),
    ...(actionStatement === undefined ? {} : { recommendation: actionStatement }),
    analysis: {
      state: stateOfStatus[status],
      ...(status === 'not_affected' && justification
        ? { justification: cycloneDxOfJustification[justification] }
        : {}),
      ...(detail === undefined ? {} : { detail }),
      firstIssued: at,
      lastUpdated: at,
    },
    affects: [...new Set(statement.products.flatMap(refsOf))].map((ref) => ({ ref })),
  }
}

function refsOf({ id, subcomponents }: VexProduct): string[] {
  return subcomponents.length === 0 ? [id] : subcomponents.map((purl) => refOf(id, purl))
}
