import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }

export const TrustQuery = Type.Object(
  {
    /** `host[:port]`, as nodes name this registry. */
    registry: Type.String({ pattern: '^[A-Za-z0-9.-]+(:[0-9]{1,5})?$', maxLength: 255 }),
    /** Nodes reach it without TLS. */
    insecure: Type.Optional(Type.Boolean()),
  },
  closed,
)
export type TrustQuery = Static<typeof TrustQuery>

/** Where nodes fetch the signed trust. */
export const trustPath = '/api/v1/runtime/trust'

/** The runtimes for which a policy can be exported, each with one line of help. */
export const exportFormats = {
  agent: 'the agent of this product: node.json and the signed trust',
  containers: 'podman, buildah, skopeo: policy.json and registries.d',
  crio: 'CRI-O: the same, and policies of namespaces',
  containerd: 'containerd 2.1 and newer: image verifier',
  notation: 'notation: trust policy and trust stores',
  'policy-controller': 'Sigstore policy-controller: ClusterImagePolicy',
  kyverno: 'Kyverno: ImageValidatingPolicy',
} as const

const Name = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$', maxLength: 253 })
const Labels = Type.Record(Type.String({ maxLength: 63 }), Type.String({ maxLength: 63 }), {
  maxProperties: 20,
})
const Short = Type.String({ maxLength: 1024 })
const Time = Type.Integer({ minimum: 0 })
const Digest = Type.String({ pattern: '^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$' })

/** Leave to enrol one node. */
export const NewNodeToken = Type.Object(
  {
    labels: Type.Optional(Labels),
    /** An hour when not given, a day at most. */
    lifetimeMinutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 1440 })),
  },
  closed,
)
export const NodeToken = Type.Object({
  /** Shown this once. It names the authority that the node is to believe. */
  token: Type.String(),
  expiresAt: Time,
})
export type NodeToken = Static<typeof NodeToken>

export const EnrolRequest = Type.Object(
  {
    token: Type.String({ maxLength: 500 }),
    name: Name,
    /** PKCS#10 in PEM. */
    request: Type.String({ maxLength: 16_384 }),
  },
  closed,
)
export const RenewRequest = Type.Object({ request: Type.String({ maxLength: 16_384 }) }, closed)
export const NodeCertificate = Type.Object({
  id: Type.String(),
  name: Type.String(),
  /** In PEM. */
  certificate: Type.String(),
  /** All authorities whose servers the node is to believe. */
  authorities: Type.Array(Type.String()),
  expiresAt: Time,
})
export type NodeCertificate = Static<typeof NodeCertificate>

/** A runtime as its node found it. */
export const NodeRuntime = Type.Object({
  handler: Short,
  backend: Short,
  runtime: Short,
  version: Type.Optional(Short),
  isolation: Type.Optional(Short),
  state: Short,
  why: Type.Optional(Type.String({ maxLength: 4096 })),
  startMs: Type.Optional(Type.Number()),
  memoryBytes: Type.Optional(Type.Number()),
})
export type NodeRuntime = Static<typeof NodeRuntime>

export const NodeReport = Type.Object(
  {
    agentVersion: Short,
    runtimes: Type.Array(NodeRuntime, { maxItems: 200 }),
    running: Type.Array(
      Type.Object(
        {
          container: Short,
          /** `namespace/name`. */
          pod: Short,
          repository: Short,
          /** What its runtime calls it, where it was made past the agent and no registry is known. */
          digest: Short,
          handler: Short,
          startedAt: Time,
        },
        closed,
      ),
      { maxItems: 5_000 },
    ),
    /** Images that are cleared there, running or not. */
    cached: Type.Array(Type.Object({ repository: Short, digest: Digest }, closed), { maxItems: 5_000 }),
    /** Of the journal of the node, in order; what the server has already is left out by it. */
    events: Type.Array(
      Type.Object(
        {
          sequence: Type.Integer({ minimum: 1 }),
          at: Time,
          kind: Short,
          detail: Type.Record(Type.String(), Type.Unknown()),
        },
        closed,
      ),
      { maxItems: 500 },
    ),
  },
  closed,
)
export type NodeReport = Static<typeof NodeReport>

export const NodeAnswer = Type.Object({
  /** Images of the report that are not cleared any more, and what the policy wants of their containers. */
  withdrawn: Type.Array(
    Type.Object({
      repository: Type.String(),
      digest: Type.String(),
      reasons: Type.Array(Type.String()),
      action: Type.Union([Type.Literal('report'), Type.Literal('evict')]),
    }),
  ),
  /** Number of the last event that the server has. */
  lastEvent: Type.Integer(),
  /** Of the policy now: the node fetches its trust again when it has another. */
  policyVersion: Type.Integer(),
  serverTime: Time,
  reportEverySeconds: Type.Integer(),
})
export type NodeAnswer = Static<typeof NodeAnswer>

export const NodeBody = Type.Object({
  name: Type.String(),
  labels: Labels,
  enrolledAt: Time,
  certificateExpiresAt: Time,
  lastSeenAt: Type.Optional(Time),
  agentVersion: Type.Optional(Type.String()),
  runtimes: Type.Array(NodeRuntime),
  runningContainers: Type.Integer(),
})
export type NodeBody = Static<typeof NodeBody>
export const NodeList = Type.Object({ items: Type.Array(NodeBody) })

export const RunningQuery = Type.Object({ notCleared: Type.Optional(Type.Boolean()) }, closed)
/** A container that runs somewhere, and what is held of its image now. */
export const RunningBody = Type.Object({
  node: Type.String(),
  pod: Type.String(),
  container: Type.String(),
  repository: Type.String(),
  digest: Type.String(),
  handler: Type.String(),
  startedAt: Time,
  isCleared: Type.Boolean(),
  reasons: Type.Array(Type.String()),
})
export type RunningBody = Static<typeof RunningBody>
export const RunningList = Type.Object({ items: Type.Array(RunningBody) })
