import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const Path = Type.String({ minLength: 1, maxLength: 4096 })

/** Where a node looks when nothing else is said. */
export const nodeConfigPath = '/etc/pratique/node.json'
/** containerd gives a verifier ten seconds, and tells nobody why when they are over. */
export const defaultTimeoutMs = 8_000

/** `/etc/pratique/node.json`: whom the node trusts. Paths are relative to the folder of the file. */
export const NodeConfig = Type.Object(
  {
    /** `host[:port]`, as images name it on the node. */
    registry: Type.String({ pattern: '^[A-Za-z0-9.-]+(:[0-9]{1,5})?$', maxLength: 255 }),
    /** URL of the registry. */
    server: Type.String({ pattern: '^https?://[^\\s/?#]+/?$', maxLength: 1000 }),
    /** The signed trust. */
    trust: Path,
    /** Keys of the server in PEM; the trust has to be signed by one of them. */
    publicKeys: Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 10 }),
    /** JSON with `username` and `password` of an account that may pull. */
    credentials: Type.Optional(Path),
    /** `policy`: every clause is verified here. `server`: the server's signature or summary stands for all. */
    signer: Type.Union([Type.Literal('policy'), Type.Literal('server')]),
    /** What becomes of images of other registries. */
    others: Type.Union([Type.Literal('reject'), Type.Literal('accept')]),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 500, maximum: 60_000 })),
  },
  closed,
)
export type NodeConfig = Static<typeof NodeConfig>

export const NodeCredentials = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 255 }),
    password: Type.String({ minLength: 1, maxLength: 4096 }),
  },
  closed,
)
export type NodeCredentials = Static<typeof NodeCredentials>
