import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const Path = Type.String({ minLength: 1, maxLength: 4096 })

/** Where a node looks when nothing else is said. */
export const nodeConfigPath = '/etc/pratique/node.json'
/** containerd gives a verifier ten seconds, and tells nobody why when they are over. */
export const defaultTimeoutMs = 8_000

const HandlerName = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })

/** A runtime behind the agent. */
export const BackendConfig = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('cri'),
      name: HandlerName,
      /** Its CRI socket. */
      socket: Path,
      /** Its handlers, when it does not tell them itself (containerd before 2.0). */
      handlers: Type.Optional(Type.Array(HandlerName, { maxItems: 50 })),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('engine'),
      name: HandlerName,
      /** Programs by the handler that they stand for; what is found in the path when not given. */
      runtimes: Type.Optional(Type.Record(HandlerName, Path)),
      /** Folders of CNI. */
      cniConfig: Type.Optional(Path),
      cniPlugins: Type.Optional(Type.Array(Path, { maxItems: 10 })),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('wasm'),
      name: HandlerName,
      memoryBytes: Type.Optional(Type.Integer({ minimum: 1 << 20, maximum: 2 ** 32 })),
    },
    closed,
  ),
])
export type BackendConfig = Static<typeof BackendConfig>

/** How the agent is set up; what is left out is looked for. */
export const AgentConfig = Type.Object(
  {
    /** Where kubelet, crictl and the command line reach it. */
    socket: Type.Optional(Path),
    /** What it keeps: clearances, the engine's images and containers. */
    state: Type.Optional(Path),
    /** What is gone after a restart of the machine. */
    run: Type.Optional(Path),
    backends: Type.Optional(Type.Array(BackendConfig, { minItems: 1, maxItems: 20 })),
    /** Handlers under names of your own. */
    handlers: Type.Optional(
      Type.Record(
        HandlerName,
        Type.Object({ backend: HandlerName, handler: Type.String({ maxLength: 63 }) }, closed),
      ),
    ),
    /** The handler of pods that name none. */
    defaultHandler: Type.Optional(HandlerName),
  },
  closed,
)
export type AgentConfig = Static<typeof AgentConfig>

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
    agent: Type.Optional(AgentConfig),
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
