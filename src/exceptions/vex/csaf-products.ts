import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { parsePurl } from './match-purl.ts'
import type { VexProduct } from './types.ts'

const Text = Type.String({ maxLength: 10_000 })
const FullProductName = Type.Object({
  product_id: Text,
  product_identification_helper: Type.Optional(
    Type.Object({ purl: Type.Optional(Text), purls: Type.Optional(Type.Array(Text)) }),
  ),
})
const Branch = Type.Object({
  product: Type.Optional(FullProductName),
  branches: Type.Optional(Type.Array(Type.Unknown())),
})
const Relationship = Type.Object({
  category: Text,
  full_product_name: FullProductName,
  product_reference: Text,
  relates_to_product_reference: Text,
})
export const ProductTree = Type.Object({
  branches: Type.Optional(Type.Array(Type.Unknown())),
  full_product_names: Type.Optional(Type.Array(FullProductName)),
  relationships: Type.Optional(Type.Array(Relationship)),
  product_groups: Type.Optional(Type.Array(Type.Object({ group_id: Text, product_ids: Type.Array(Text) }))),
})
export type ProductTree = Static<typeof ProductTree>

/** Relationships that put one product inside another (CSAF 2.0, 3.2.2.4.1). */
const inside = ['default_component_of', 'optional_component_of', 'external_component_of', 'installed_on']

/**
 * What each `product_id` stands for (CSAF 2.0, 3.2.2). A component of a product that has no package URL is
 * left out: what is said of it holds in that product only, and we could not tell where that is.
 */
export function productsById(tree: ProductTree): Map<string, VexProduct> {
  const products = new Map<string, VexProduct>()
  for (const name of [...(tree.full_product_names ?? []), ...branchProducts(tree.branches ?? [])]) {
    const id = purlOf(name)
    if (id !== undefined) products.set(name.product_id, { id, subcomponents: [] })
  }
  for (const relationship of tree.relationships ?? []) {
    const product = relate(relationship, products)
    if (product) products.set(relationship.full_product_name.product_id, product)
  }
  return products
}

function branchProducts(branches: readonly unknown[]): Static<typeof FullProductName>[] {
  const found: Static<typeof FullProductName>[] = []
  const open = [...branches]
  for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
    if (!Value.Check(Branch, branch)) continue
    if (branch.product) found.push(branch.product)
    for (const inner of branch.branches ?? []) open.push(inner)
  }
  return found
}

/** Relationships may only refer to what stands before them, so that none can go in a circle. */
function relate(
  relationship: Static<typeof Relationship>,
  products: ReadonlyMap<string, VexProduct>,
): VexProduct | undefined {
  if (!inside.includes(relationship.category)) return undefined
  const component = products.get(relationship.product_reference)
  const whole = products.get(relationship.relates_to_product_reference)
  if (!component || !whole || whole.subcomponents.length > 0) return undefined
  return { id: whole.id, subcomponents: [component.subcomponents[0] ?? component.id] }
}

function purlOf({
  product_identification_helper: helper,
}: Static<typeof FullProductName>): string | undefined {
  return [helper?.purl, ...(helper?.purls ?? [])].find((purl) => purl !== undefined && parsePurl(purl))
}
