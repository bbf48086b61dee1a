import type { Generated } from 'kysely'

/*
 * Conventions: ids are UUIDs as text, times are milliseconds since 1970 as integers, flags are 0 or 1,
 * structured values are JSON as text. Column types are those that SQLite and PostgreSQL share.
 */

type Flag = 0 | 1

export interface ProjectTable {
  id: string
  name: string
  /** 1: pull needs no account. */
  anonymous_pull: Flag
  created_at: number
}

export interface UserTable {
  id: string
  name: string
  password_hash: string
  administrator: Flag
  disabled: Flag
  created_at: number
}

export interface RobotTable {
  id: string
  name: string
  description: string
  secret_hash: string
  /** The secret before a rotation, honoured until `previous_secret_until`. */
  previous_secret_hash: string | null
  previous_secret_until: number | null
  expires_at: number | null
  disabled: Flag
  created_by: string
  created_at: number
}

export interface PersonalTokenTable {
  id: string
  user_id: string
  name: string
  secret_hash: string
  /** JSON array of actions the token is limited to. */
  actions: string
  expires_at: number | null
  last_used_at: number | null
  created_at: number
}

export interface RoleBindingTable {
  id: string
  /** `user:<id>` or `robot:<id>`. */
  principal: string
  /** JSON array of actions. */
  actions: string
  /** The project it holds in; null: every project. */
  project_id: string | null
  /** Pattern over whole repository names. */
  repository_glob: string
  created_at: number
}

export interface NetworkRuleTable {
  id: string
  position: number
  effect: 'allow' | 'deny'
  /** JSON: who, actions, repositories, sources. */
  condition: string
  comment: string
  created_at: number
}

export interface TokenKeyTable {
  id: string
  private_jwk: string
  public_jwk: string
  created_at: number
  retired_at: number | null
}

/** Counters that tell caches when what they hold is out of date. */
export interface RevisionTable {
  name: string
  value: number
}

export interface AuditEntryTable {
  sequence: number
  at: number
  principal: string
  source_address: string
  action: string
  object: string
  /** JSON. */
  detail: string
  previous_hash: string
  hash: string
}

export interface JobTable {
  id: string
  kind: string
  /** At most one waiting job of a kind has a given key. */
  dedupe_key: string
  payload: string
  state: 'waiting' | 'running' | 'done' | 'failed'
  attempts: number
  run_after: number
  leased_until: number | null
  lease_token: string | null
  created_at: number
  finished_at: number | null
  error: string | null
}

export interface RepositoryTable {
  id: string
  project_id: string
  name: string
  created_at: number
}

export interface BlobTable {
  digest: string
  size: number
  /** Key under which the blob store holds these bytes; each write has a new one. */
  location: string
  /** Set while garbage collection waits out the grace period before it deletes the bytes. */
  condemned_at: number | null
  created_at: number
}

/** A blob can be read, mounted and referenced in the repositories it is linked to, nowhere else. */
export interface RepositoryBlobTable {
  repository_id: string
  digest: string
  /** Until then garbage collection leaves the link alone even if no manifest refers to the blob. */
  leased_until: number
}

export interface ManifestTable {
  digest: string
  media_type: string
  /** What `artifactType` is for the referrers API: the field, or the config's media type. */
  artifact_type: string | null
  config_media_type: string | null
  subject_digest: string | null
  /** `index`: lists other manifests; `image`: something a runtime can run; `artifact`: neither. */
  kind: 'index' | 'image' | 'artifact'
  size: number
  /** JSON object: the manifest's annotations, for the referrers list. */
  annotations: string
  content: Uint8Array
  created_at: number
}

/** Every digest that a manifest names. */
export interface ManifestReferenceTable {
  manifest_digest: string
  target_digest: string
  kind: 'config' | 'layer' | 'manifest'
}

export interface RepositoryManifestTable {
  repository_id: string
  digest: string
  pushed_by: string
  pushed_at: number
  pulled_at: number | null
}

export interface TagTable {
  repository_id: string
  name: string
  digest: string
  updated_at: number
}

export interface UploadTable {
  id: string
  repository_id: string
  principal: string
  created_at: number
  expires_at: number
}

/** Immutable tags and retention, per repository pattern. */
export interface RepositoryRuleTable {
  id: string
  repository_glob: string
  kind: 'immutable-tags' | 'retention'
  /** JSON. */
  settings: string
  created_at: number
}

export interface ScanTable {
  digest: string
  state: 'done' | 'failed'
  /** JSON: operating system, packages with layer and instruction, unknowns. */
  inventory: string
  /** Why it failed, when it did. */
  error: string | null
  scanned_at: number
}

/** What the inventory of a digest matched in one version of the vulnerability database. */
export interface FindingReportTable {
  digest: string
  database_version: string
  database_built_at: number
  /** JSON array of findings. */
  findings: string
  matched_at: number
}

export interface ApprovedBaseTable {
  id: string
  name: string
  version: string
  repository: string
  digest: string
  /** JSON array of the diff-ids, lowest layer first, per platform image. */
  diff_ids: string
  platform: string
  approved_by: string
  approved_at: number
  withdrawn_at: number | null
}

/** Somebody whose signatures, attestations or VEX can count. */
export interface SignerTable {
  name: string
  /** JSON of a `SignerIdentity`. */
  identity: string
  /** The same key or identity is one signer. */
  fingerprint: string
  state: 'active' | 'verify-only' | 'revoked' | 'compromised'
  revoked_from: number | null
  expires_at: number | null
  /** The signer by whose name it goes in policies. */
  counts_as: string | null
  /** 1: its VEX attestations are believed. */
  vex: Flag
  /** Why it is in the state that it is in. */
  reason: string | null
  created_by: string
  created_at: number
  changed_at: number
}

/** Who is known to have signed an image, or attested what of it. */
export interface ImageClaimTable {
  repository_id: string
  digest: string
  signer: string
  claim: string
}

export interface ServerKeyTable {
  name: string
  private_key_pem: string
  public_key_pem: string
  created_at: number
}

export interface PolicyTable {
  version: Generated<number>
  document: string
  applied_by: string
  applied_at: number
}

/** What the administrators of a project ask beyond the policy; the highest version holds. */
export interface ProjectPolicyTable extends PolicyTable {
  project_id: string
}

export interface VerdictTable {
  repository_id: string
  digest: string
  state: 'pending' | 'cleared' | 'recalled' | 'quarantined'
  /** JSON array of rule outcomes with their evidence. */
  reasons: string
  policy_version: number
  judged_at: number
  /** Until then a recalled image can still be pulled. */
  grace_until: number | null
  /** JSON array of the tags under which it can be pulled; null: all. */
  allowed_tags: string | null
  /** When the rule on signatures last held. */
  signatures_held_at: number | null
}

/** What people decided by hand; the latest one for a digest (and repository) holds. */
export interface ManualDecisionTable {
  id: string
  digest: string
  /** Null: everywhere. */
  repository_id: string | null
  kind: 'quarantine' | 'release'
  reason: string
  decided_by: string
  decided_at: number
}

export interface PromotionTable {
  id: string
  source: string
  target: string
  digest: string
  outcome: 'promoted' | 'refused'
  reasons: string
  requested_by: string
  requested_at: number
}

export interface KnownPackageTable {
  /** A digest of everything else in the row. */
  key: string
  /** Type of its package URL. */
  type: string
  name: string
  version: string
  /** Source package or origin; its own name when it has none. */
  source_name: string
  /** The ecosystem and the name under which advisories of it are filed. */
  ecosystem: string
  filed_under: string
}

export interface ImagePackageTable {
  package_key: string
  digest: string
  /** 1: a later layer took it away. */
  is_removed: Flag
}

export interface NotificationSubscriptionTable {
  id: string
  name: string
  kind: 'cloudevents' | 'slack' | 'email'
  /** The URL, or the addresses separated by commas. */
  target: string
  /** JSON array of patterns over event types. */
  event_types: string
  repository_glob: string
  /** Null: whatever the severity. */
  minimum_severity: string | null
  enabled: Flag
  /** Signs what is sent; null where nothing is signed. */
  secret: string | null
  /** The secret before a rotation, signs as well until `previous_secret_until`. */
  previous_secret: string | null
  previous_secret_until: number | null
  /** Attempts that failed since the last that did not. */
  failures: number
  /** Nothing is sent before this time. */
  paused_until: number
  created_by: string
  created_at: number
}

/** The outbox: an event for a subscription, written in the transaction of what happened. */
export interface NotificationDeliveryTable {
  id: string
  subscription_id: string
  event_id: string
  event_type: string
  /** JSON. */
  event: string
  state: 'waiting' | 'delivered' | 'failed'
  attempts: number
  next_attempt_at: number
  /** What came of the last attempt. */
  status: string
  created_at: number
  finished_at: number | null
}

/** What somebody asked to have left out of account, and what became of that. */
export interface ExceptionTable {
  id: string
  state: 'requested' | 'approved' | 'rejected' | 'expired' | 'withdrawn'
  vulnerability: string
  /** JSON array: other names of the vulnerability. */
  aliases: string
  /** VEX status. */
  status: 'not_affected' | 'affected' | 'fixed' | 'under_investigation'
  justification: string | null
  reason: string
  ticket: string | null
  /** Where it holds; each of the next columns narrows it further. */
  repository_glob: string
  digest: string | null
  package_purl: string | null
  base_name: string | null
  base_version: string | null
  /** JSON array of VEX products, for what was imported. */
  products: string | null
  /** Subject of the principal. */
  requested_by: string
  requested_by_name: string
  requested_at: number
  until: number
  decided_by: string | null
  decided_by_name: string | null
  decided_at: number | null
  decision_reason: string | null
  /** Who withdrew it; the server, when it ran out. */
  ended_by_name: string | null
  ended_at: number | null
  end_reason: string | null
  /** Digest and author of the VEX document that it came from. */
  source_digest: string | null
  source_author: string | null
  /** A rule of the policy, in place of a vulnerability; then `vulnerability` is empty. */
  rule: string | null
  clause: string | null
  /** On whose authority an exception from a rule was approved: `organisation`, `project shop`. */
  authority: string | null
}

export interface AdvisoryCoverageTable {
  ecosystem: string
  source: string
  built_at: number | null
  checked_at: number | null
  end_of_life: string | null
}

/** Whoever signs the certificates of nodes; the newest signs, and those before are still believed. */
export interface NodeAuthorityTable {
  id: string
  certificate_pem: string
  private_key_pem: string
  created_at: number
}

/** Leave to enrol one node. */
export interface NodeTokenTable {
  id: string
  secret_hash: string
  /** JSON object. */
  labels: string
  expires_at: number
  used_at: number | null
  created_by: string
}

export interface NodeTable {
  id: string
  name: string
  /** JSON object. */
  labels: string
  enrolled_at: number
  certificate_expires_at: number
  last_seen_at: number | null
  agent_version: string | null
  /** JSON array of what the node says of its runtimes. */
  runtimes: string
  /** Number of the last event of its journal that is in the audit log. */
  last_event: number
}

/** What a node said last that it runs. */
export interface RunningContainerTable {
  node_id: string
  container: string
  /** `namespace/name`. */
  pod: string
  repository: string
  digest: string
  handler: string
  started_at: number
}

export interface Tables {
  project: ProjectTable
  user_account: UserTable
  robot: RobotTable
  personal_token: PersonalTokenTable
  role_binding: RoleBindingTable
  network_rule: NetworkRuleTable
  token_key: TokenKeyTable
  revision: RevisionTable
  audit_entry: AuditEntryTable
  job: JobTable
  repository: RepositoryTable
  blob: BlobTable
  repository_blob: RepositoryBlobTable
  manifest: ManifestTable
  manifest_reference: ManifestReferenceTable
  repository_manifest: RepositoryManifestTable
  tag: TagTable
  upload: UploadTable
  repository_rule: RepositoryRuleTable
  scan: ScanTable
  finding_report: FindingReportTable
  known_package: KnownPackageTable
  image_package: ImagePackageTable
  advisory_coverage: AdvisoryCoverageTable
  notification_subscription: NotificationSubscriptionTable
  notification_delivery: NotificationDeliveryTable
  approved_base: ApprovedBaseTable
  signer: SignerTable
  image_claim: ImageClaimTable
  server_key: ServerKeyTable
  policy: PolicyTable
  project_policy: ProjectPolicyTable
  verdict: VerdictTable
  manual_decision: ManualDecisionTable
  promotion: PromotionTable
  exception: ExceptionTable
  node_authority: NodeAuthorityTable
  node_token: NodeTokenTable
  node: NodeTable
  running_container: RunningContainerTable
}
