import { Type, type Static } from 'typebox'
import { packageTypes } from './types.ts'

export const ImageQuery = Type.Object(
  { image: Type.String({ minLength: 1, maxLength: 500 }) },
  { additionalProperties: false },
)

export const FindingBody = Type.Object({
  id: Type.String(),
  aliases: Type.Array(Type.String()),
  severity: Type.String(),
  score: Type.Optional(Type.Number()),
  summary: Type.String(),
  packageType: Type.String(),
  packageName: Type.String(),
  installedVersion: Type.String(),
  fixedVersion: Type.Optional(Type.String()),
  purl: Type.String(),
  path: Type.String(),
  layerDigest: Type.String(),
  instruction: Type.Optional(Type.String()),
  source: Type.String(),
})
export type FindingBody = Static<typeof FindingBody>

export const ScanBody = Type.Object({
  digest: Type.String(),
  platform: Type.Optional(Type.String()),
  state: Type.Union([Type.Literal('pending'), Type.Literal('done'), Type.Literal('failed')]),
  error: Type.Optional(Type.String()),
  scannedAt: Type.Optional(Type.String({ format: 'date-time' })),
  operatingSystem: Type.Optional(Type.String()),
  packages: Type.Integer(),
  unknowns: Type.Array(Type.Object({ path: Type.String(), reason: Type.String() })),
  databaseVersion: Type.Optional(Type.String()),
  databaseBuiltAt: Type.Optional(Type.String({ format: 'date-time' })),
  findings: Type.Array(FindingBody),
  gaps: Type.Array(Type.Object({ ecosystem: Type.String(), packages: Type.Integer() })),
})
export type ScanBody = Static<typeof ScanBody>

export const ScanList = Type.Object({ image: Type.String(), items: Type.Array(ScanBody) })
export type ScanList = Static<typeof ScanList>

export const PackageSearch = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    type: Type.Optional(Type.Union(packageTypes.map((type) => Type.Literal(type)))),
    below: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    version: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  },
  { additionalProperties: false },
)

export const PackageList = Type.Object({
  items: Type.Array(
    Type.Object({
      repository: Type.String(),
      digest: Type.String(),
      tags: Type.Array(Type.String()),
      type: Type.String(),
      name: Type.String(),
      version: Type.String(),
      verdict: Type.String(),
    }),
  ),
  /** There are more than the limit. */
  more: Type.Boolean(),
})
export type PackageList = Static<typeof PackageList>

export const VulndbStatus = Type.Object({
  version: Type.Optional(Type.String()),
  builtAt: Type.Optional(Type.String({ format: 'date-time' })),
  ageDays: Type.Optional(Type.Number()),
  sources: Type.Array(
    Type.Object({
      name: Type.String(),
      records: Type.Integer(),
      builtAt: Type.Optional(Type.String({ format: 'date-time' })),
    }),
  ),
})
export type VulndbStatus = Static<typeof VulndbStatus>

export const ImportQuery = Type.Object(
  { name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\\.(json|jsonl|jsonl\\.gz|zip)$' }) },
  { additionalProperties: false },
)

export const ImportBody = Type.Object({
  version: Type.String(),
  sources: Type.Array(Type.Object({ name: Type.String(), records: Type.Integer(), skipped: Type.Integer() })),
  errors: Type.Array(Type.String()),
  errorCount: Type.Integer(),
})
export type ImportBody = Static<typeof ImportBody>
