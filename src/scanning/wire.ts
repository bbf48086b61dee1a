import { Type, type Static } from 'typebox'
import { packageTypes } from './types.ts'

export const ImageQuery = Type.Object(
  { image: Type.String({ minLength: 1, maxLength: 500 }) },
  { additionalProperties: false },
)

export const SbomQuery = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    format: Type.Optional(Type.String({ minLength: 1, maxLength: 20 })),
  },
  { additionalProperties: false },
)

const ListedPackage = { type: Type.String(), name: Type.String() }

export const SbomComparison = Type.Object({
  /** Digest of the manifest that attaches it. */
  attached: Type.Optional(Type.String()),
  /** What of it could not be read. */
  notes: Type.Array(Type.String()),
  /** In the SBOM, and not found here. */
  added: Type.Array(Type.Object({ ...ListedPackage, version: Type.String() })),
  /** Found here, and not in the SBOM. */
  removed: Type.Array(Type.Object({ ...ListedPackage, version: Type.String() })),
  changed: Type.Array(Type.Object({ ...ListedPackage, before: Type.String(), after: Type.String() })),
})
export type SbomComparison = Static<typeof SbomComparison>

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
  fixState: Type.String(),
  epss: Type.Optional(Type.Object({ probability: Type.Number(), percentile: Type.Number() })),
  exploitedSince: Type.Optional(Type.String()),
  purl: Type.String(),
  path: Type.String(),
  layer: Type.Integer(),
  layerDigest: Type.String(),
  instruction: Type.Optional(Type.String()),
  base: Type.Optional(Type.String()),
  removedBy: Type.Optional(
    Type.Object({ layerDigest: Type.String(), instruction: Type.Optional(Type.String()) }),
  ),
  exception: Type.Optional(
    Type.Object({
      id: Type.String(),
      status: Type.String(),
      justification: Type.Optional(Type.String()),
      reason: Type.String(),
      until: Type.Optional(Type.Integer()),
      approvedBy: Type.String(),
      isSuppressed: Type.Boolean(),
    }),
  ),
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
  unknowns: Type.Array(
    Type.Object({
      path: Type.String(),
      reason: Type.String(),
      isDatabase: Type.Optional(Type.Boolean()),
    }),
  ),
  databaseVersion: Type.Optional(Type.String()),
  databaseBuiltAt: Type.Optional(Type.String({ format: 'date-time' })),
  findings: Type.Array(FindingBody),
  gaps: Type.Array(
    Type.Object({
      ecosystem: Type.String(),
      packages: Type.Integer(),
      endOfLife: Type.Optional(Type.String()),
    }),
  ),
  coverage: Type.Array(
    Type.Object({
      ecosystem: Type.String(),
      packages: Type.Integer(),
      source: Type.String(),
      builtAt: Type.Optional(Type.String({ format: 'date-time' })),
      endOfLife: Type.Optional(Type.String()),
    }),
  ),
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
      checkedAt: Type.Optional(Type.String({ format: 'date-time' })),
      error: Type.Optional(Type.String()),
    }),
  ),
})
export type VulndbStatus = Static<typeof VulndbStatus>

export const ImportQuery = Type.Object(
  {
    name: Type.String({
      pattern:
        '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\\.(json|json\\.gz|jsonl|jsonl\\.gz|csv|csv\\.gz|zip|tar|tar\\.gz|tgz|tar\\.zst)$',
    }),
  },
  { additionalProperties: false },
)

export const ImportBody = Type.Object({
  version: Type.String(),
  sources: Type.Array(Type.Object({ name: Type.String(), records: Type.Integer(), skipped: Type.Integer() })),
  errors: Type.Array(Type.String()),
  errorCount: Type.Integer(),
  unchanged: Type.Optional(Type.Array(Type.String())),
  failed: Type.Optional(Type.Array(Type.Object({ name: Type.String(), error: Type.String() }))),
})
export type ImportBody = Static<typeof ImportBody>

/** `key`: base64url of a public key's DER form, to be trusted for this bundle beside the configured ones. */
export const BundleQuery = Type.Object(
  {
    key: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,1000}$' })),
    allowOlder: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
