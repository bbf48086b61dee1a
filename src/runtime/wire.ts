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
