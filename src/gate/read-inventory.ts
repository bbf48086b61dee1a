import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { packageTypes, type Inventory } from '../scanning/offline.ts'
import { GateFailure } from './failures.ts'

const text = Type.String({ maxLength: 4096 })
const some = <Schema extends ReturnType<typeof Type.String>>(schema: Schema) => Type.Optional(schema)

const InstalledPackage = Type.Object({
  type: Type.Union(packageTypes.map((type) => Type.Literal(type))),
  name: text,
  version: text,
  sourceName: some(text),
  sourceVersion: some(text),
  architecture: some(text),
  module: some(text),
  vendor: some(text),
  purl: text,
  path: text,
  layer: Type.Integer({ minimum: 0, maximum: 10_000 }),
})

const InventoryBody = Type.Object({
  operatingSystem: Type.Optional(Type.Object({ id: text, versionId: text, prettyName: text })),
  layers: Type.Array(
    Type.Object({
      digest: text,
      diffId: text,
      instruction: Type.Optional(Type.String({ maxLength: 65_536 })),
    }),
    { maxItems: 10_000 },
  ),
  packages: Type.Array(InstalledPackage, { maxItems: 200_000 }),
  unknowns: Type.Array(
    Type.Object({ path: text, reason: text, isDatabase: Type.Optional(Type.Literal(true)) }),
    { maxItems: 200_000 },
  ),
  removed: Type.Optional(
    Type.Array(Type.Intersect([InstalledPackage, Type.Object({ removedIn: Type.Integer({ minimum: 0 }) })]), {
      maxItems: 200_000,
    }),
  ),
})

/** An inventory that came over the wire. Throws TARGET_INVALID for what is none. */
export function readInventory(value: unknown): Inventory {
  if (Value.Check(InventoryBody, value)) return value
  const [first] = Value.Errors(InventoryBody, value)
  throw new GateFailure(
    'TARGET_INVALID',
    `the inventory is not one: ${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim(),
  )
}
