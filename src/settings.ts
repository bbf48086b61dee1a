import { readFileSync } from 'node:fs'
import { closest, distance } from 'fastest-levenshtein'
import { Type, type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'

const hourMs = 3_600_000

/** A setting: its schema with default, the environment variable, and one line of help. */
interface Setting<Schema extends TSchema> {
  readonly schema: Schema
  readonly default: Static<Schema> | undefined
  readonly environment: string
  readonly help: string
}

function setting<Schema extends TSchema>(
  schema: Schema,
  fallback: Static<Schema> | undefined,
  environment: string,
  help: string,
): Setting<Schema> {
  return { schema, default: fallback, environment, help }
}

const Text = Type.String({ minLength: 1, maxLength: 4096 })
const List = Type.Array(Text, { maxItems: 1000 })
const count = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })
const milliseconds = (minimum: number) => count(minimum, 365 * 24 * hourMs)
const LevelName = Type.Union([
  Type.Literal('silent'),
  Type.Literal('error'),
  Type.Literal('warn'),
  Type.Literal('info'),
  Type.Literal('debug'),
])

const SmtpSecurity = Type.Union([Type.Literal('tls'), Type.Literal('starttls'), Type.Literal('none')])

/** Every setting there is. Names of the file, of the environment and of the flags all come from here. */
export const settingsTable = {
  dataDir: setting(
    Text,
    './pratique-data',
    'PRATIQUE_DATA_DIR',
    'folder that holds everything; made when missing',
  ),
  listen: setting(Text, '127.0.0.1:5480', 'PRATIQUE_LISTEN', 'address and port to serve on'),
  adminPassword: setting(
    Type.String({ minLength: 8, maxLength: 256 }),
    undefined,
    'PRATIQUE_ADMIN_PASSWORD',
    'password of the first administrator, admin; made up and printed once when not given',
  ),
  publicUrl: setting(
    Text,
    undefined,
    'PRATIQUE_PUBLIC_URL',
    'how clients reach the server, when a proxy is in front',
  ),
  trustedProxies: setting(
    List,
    [],
    'PRATIQUE_TRUSTED_PROXIES',
    'address ranges whose X-Forwarded-For is believed',
  ),
  logLevel: setting(LevelName, 'warn', 'PRATIQUE_LOG_LEVEL', 'silent, error, warn, info or debug'),
  manifestBytes: setting(
    count(1024, 64 << 20),
    4 << 20,
    'PRATIQUE_MANIFEST_BYTES',
    'largest manifest, in bytes',
  ),
  pageSize: setting(count(1, 100_000), 1_000, 'PRATIQUE_PAGE_SIZE', 'most entries on one page of a list'),
  uploadsPerPrincipal: setting(
    count(1, 100_000),
    200,
    'PRATIQUE_UPLOADS_PER_PRINCIPAL',
    'unfinished uploads of one account',
  ),
  bodyIdleMs: setting(
    milliseconds(100),
    30_000,
    'PRATIQUE_BODY_IDLE_MS',
    'longest pause inside a request body, in ms',
  ),
  uploadExpiryMs: setting(
    milliseconds(1),
    24 * hourMs,
    'PRATIQUE_UPLOAD_EXPIRY_MS',
    'how long an upload may lie unfinished, in ms',
  ),
  blobLeaseMs: setting(
    milliseconds(1),
    6 * hourMs,
    'PRATIQUE_BLOB_LEASE_MS',
    'how long a blob waits for its manifest, in ms',
  ),
  gcGraceMs: setting(
    milliseconds(1),
    hourMs,
    'PRATIQUE_GC_GRACE_MS',
    'time between condemning a blob and deleting it, in ms',
  ),
  gcIntervalMs: setting(
    milliseconds(100),
    6 * hourMs,
    'PRATIQUE_GC_INTERVAL_MS',
    'time between garbage collections, in ms',
  ),
  pullWaitMs: setting(
    milliseconds(0),
    5_000,
    'PRATIQUE_PULL_WAIT_MS',
    'how long a pull waits for a pending verdict, in ms',
  ),
  tokenLifetimeMs: setting(
    milliseconds(60_000),
    300_000,
    'PRATIQUE_TOKEN_LIFETIME_MS',
    'lifetime of registry tokens, in ms',
  ),
  scanConcurrency: setting(
    count(1, 16),
    1,
    'PRATIQUE_SCAN_CONCURRENCY',
    'images that are scanned at the same time',
  ),
  scanTimeoutMs: setting(
    milliseconds(1_000),
    600_000,
    'PRATIQUE_SCAN_TIMEOUT_MS',
    'longest scan of one image, in ms',
  ),
  vulndbFeedUrl: setting(
    Text,
    'https://osv-vulnerabilities.storage.googleapis.com',
    'PRATIQUE_VULNDB_FEED_URL',
    'where the advisory archives are, as <url>/<ecosystem>/all.zip',
  ),
  vulndbEcosystems: setting(
    List,
    [
      'Debian',
      'Ubuntu',
      'Alpine',
      'AlmaLinux',
      'Rocky Linux',
      'Red Hat',
      'npm',
      'PyPI',
      'Maven',
      'Go',
      'crates.io',
      'RubyGems',
      'NuGet',
      'Packagist',
      'Bitnami',
    ],
    'PRATIQUE_VULNDB_ECOSYSTEMS',
    'ecosystems of OSV that an update fetches',
  ),
  vulndbUpdateIntervalMs: setting(
    count(0, 365 * 24 * 3_600_000),
    0,
    'PRATIQUE_VULNDB_UPDATE_INTERVAL_MS',
    'time between updates of the vulnerability database, in ms; 0: only when somebody asks',
  ),
  vulndbSources: setting(
    List,
    ['osv', 'debian-tracker', 'alpine-secdb', 'kev', 'epss'],
    'PRATIQUE_VULNDB_SOURCES',
    'advisory sources that an update fetches; one that is left out is switched off',
  ),
  vulndbSourceUrls: setting(
    List,
    [],
    'PRATIQUE_VULNDB_SOURCE_URLS',
    'other addresses of sources, as name=url; red-hat-vex, ubuntu-cves, severity-list and node-core have none of their own',
  ),
  vulndbAlpineBranches: setting(
    List,
    ['v3.20', 'v3.21', 'v3.22', 'v3.23', 'edge'],
    'PRATIQUE_VULNDB_ALPINE_BRANCHES',
    'branches of Alpine whose security database an update fetches',
  ),
  vulndbBundleKeys: setting(
    List,
    [],
    'PRATIQUE_VULNDB_BUNDLE_KEYS',
    'files with PEM public keys (Ed25519, ECDSA P-256) whose bundles of the database are trusted',
  ),
  notificationNetworks: setting(
    List,
    [],
    'PRATIQUE_NOTIFICATION_NETWORKS',
    'address ranges that webhooks may reach although they are not public, without https too',
  ),
  smtpHost: setting(Text, undefined, 'PRATIQUE_SMTP_HOST', 'mail server that takes notifications by e-mail'),
  smtpPort: setting(count(1, 65_535), 587, 'PRATIQUE_SMTP_PORT', 'port of the mail server'),
  smtpSecurity: setting(
    SmtpSecurity,
    'starttls',
    'PRATIQUE_SMTP_SECURITY',
    'tls, starttls or none: how the connection to the mail server is encrypted',
  ),
  smtpUser: setting(Text, undefined, 'PRATIQUE_SMTP_USER', 'account at the mail server, where it needs one'),
  smtpPassword: setting(Text, undefined, 'PRATIQUE_SMTP_PASSWORD', 'password of that account'),
  smtpFrom: setting(Text, undefined, 'PRATIQUE_SMTP_FROM', 'sender address of notifications by e-mail'),
  exceptionDays: setting(
    count(1, 3_650),
    365,
    'PRATIQUE_EXCEPTION_DAYS',
    'longest time that an exception may be asked for, in days',
  ),
  nodeListen: setting(
    Text,
    undefined,
    'PRATIQUE_NODE_LISTEN',
    'address and port on which nodes enrol and report, by mutual TLS; none when not given',
  ),
  nodeHostNames: setting(
    List,
    [],
    'PRATIQUE_NODE_HOST_NAMES',
    'names and addresses by which nodes reach that port, for its certificate; those of the machine when not given',
  ),
  runtimeTrustDays: setting(
    count(1, 365),
    7,
    'PRATIQUE_RUNTIME_TRUST_DAYS',
    'how long nodes may verify with the policy and signers that they fetched, in days',
  ),
} as const

type Table = typeof settingsTable
type Name = keyof Table
type ValueOf<Key extends Name> = Table[Key] extends Setting<infer Schema> ? Static<Schema> : never

type WithoutDefault =
  'adminPassword' | 'publicUrl' | 'smtpHost' | 'smtpUser' | 'smtpPassword' | 'smtpFrom' | 'nodeListen'

/** All settings with their values. */
export type Settings = { readonly [Key in Exclude<Name, WithoutDefault>]: ValueOf<Key> } & {
  readonly [Key in WithoutDefault]: string | undefined
}

/** A setting that is wrong, with the place where it stands. */
export class SettingsError extends Error {}

const names = Object.keys(settingsTable) as Name[]

/**
 * Puts the settings together: flags win over the environment, that over the file, that over the defaults.
 * Unknown names are refused and the nearest known one is named. Throws `SettingsError`.
 */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, unknown>> = {},
): Settings {
  const path = (flags['config'] as string | undefined) ?? environment['PRATIQUE_CONFIG']
  const fromFlags = Object.entries(flags).filter(([name, value]) => name !== 'config' && value !== undefined)
  const given: Record<string, unknown> = {
    ...(path === undefined ? {} : readFile(path)),
    ...readEnvironment(environment),
    ...Object.fromEntries(fromFlags.map(([name, value]) => [name, fromText(name as Name, value)])),
  }
  const entries = names.map((name) => {
    const value = given[name] ?? settingsTable[name].default
    if (value !== undefined) check(name, value)
    return [name, value] as const
  })
  return Object.fromEntries(entries) as unknown as Settings
}

/** Variables that the command line reads for itself. */
const clientVariables = [
  'PRATIQUE_CONFIG',
  'PRATIQUE_SERVER',
  'PRATIQUE_USERNAME',
  'PRATIQUE_KEY_PASSWORD',
  'PRATIQUE_IDENTITY_TOKEN',
  'PRATIQUE_NODE_SOCKET',
  'PRATIQUE_PASSWORD',
  'PRATIQUE_TOKEN',
  'PRATIQUE_NODE_CONFIG',
]

function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const byVariable = new Map(names.map((name) => [settingsTable[name].environment, name]))
  const given: Record<string, unknown> = {}
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('PRATIQUE_') || text === undefined || clientVariables.includes(variable))
      continue
    const name = byVariable.get(variable)
    if (!name)
      throw unknownName(`environment variable ${variable}`, variable, [
        ...byVariable.keys(),
        ...clientVariables,
      ])
    given[name] = fromText(name, text)
  }
  return given
}

function readFile(path: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new SettingsError(`the settings file ${path} cannot be read: ${(error as Error).message}`)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [mistake] = document.errors
  if (mistake) throw new SettingsError(`${path}: ${mistake.message}`)
  if (document.contents === null) return {}
  if (!isMap(document.contents)) throw new SettingsError(`${path}: the file has to be a map of settings`)
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const place = `${path}:${lines.linePos((key as { range?: number[] }).range?.[0] ?? 0).line}`
    if (!names.includes(name as Name)) throw unknownName(`${place}: setting ${name}`, name, names)
    const plain: unknown = (value as { toJSON?: () => unknown } | null)?.toJSON?.()
    check(name as Name, plain, `${place}: `)
  }
  return document.toJS() as Record<string, unknown>
}

function unknownName(what: string, name: string, known: readonly string[]): SettingsError {
  const nearest = closest(name, known)
  const hint = distance(name, nearest) <= Math.max(3, name.length / 2) ? `; did you mean ${nearest}?` : ''
  return new SettingsError(`${what} is not known${hint}`)
}

/** Text from the environment or a flag, as the value that the setting takes. */
function fromText(name: Name, text: unknown): unknown {
  if (typeof text !== 'string') return text
  const { schema } = settingsTable[name] as { schema: { type?: string } }
  if (schema.type === 'integer') return /^\d+$/.test(text) ? Number(text) : text
  if (schema.type === 'array')
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  return text
}

function check(name: Name, value: unknown, place = ''): void {
  const { schema, environment } = settingsTable[name]
  if (Value.Check(schema, value)) return
  const [first] = Value.Errors(schema, value)
  throw new SettingsError(
    `${place}setting ${name} (${environment}) cannot be ${JSON.stringify(value)}: ${first?.message ?? 'wrong form'}`,
  )
}
