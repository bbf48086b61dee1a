import { RuntimeFailure } from '../failures.ts'
import type { ExportOptions, RuntimeExport, RuntimeTrust } from '../types.ts'
import { exportFormats } from '../wire.ts'
import { accountNote, keyNote, nodeFiles, serverKeyOf } from './node-files.ts'

const verifierFolder = '/opt/containerd/image-verifier/bin'

/** containerd 2.1: it calls our own verifier for every pull, which knows all that the policy can say. */
export const containerd: RuntimeExport = {
  name: 'containerd',
  help: exportFormats.containerd,
  write(trust, options) {
    const { node } = options
    if (!node) throw new RuntimeFailure('EXPORT_INVALID', 'containerd needs the signed trust of the server')
    const publicKey = serverKeyOf(trust)
    return {
      files: [
        { path: `etc/containerd/certs.d/${trust.registry}/hosts.toml`, content: hostsToml(trust) },
        { path: 'etc/containerd/conf.d/10-pratique.toml', content: pluginToml },
        { path: `${verifierFolder.slice(1)}/10-pratique`, content: script(node.program), mode: 0o755 },
        ...nodeFiles(trust, options, node, publicKey),
      ],
      notes: notesFor(trust, options, publicKey),
    }
  },
}

function hostsToml({ registry, insecure }: RuntimeTrust): string {
  const url = JSON.stringify(`${insecure ? 'http' : 'https'}://${registry}`)
  return `server = ${url}\n\n[host.${url}]\n  capabilities = ["pull", "resolve"]\n`
}

/** All that would make the CRI plugin pull without asking a verifier is set to what it is by default. */
const pluginToml = `version = 3

[plugins."io.containerd.image-verifier.v1.bindir"]
  bin_dir = "${verifierFolder}"
  max_verifiers = -1
  per_verifier_timeout = "10s"

[plugins."io.containerd.cri.v1.images"]
  use_local_image_pull = false
  max_concurrent_downloads = 3
  discard_unpacked_layers = false
  disable_snapshot_annotations = true
  image_pull_with_sync_fs = false

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"
`

/** containerd shows the first output to the user, so a missing program has to say that it is missing. */
function script(program: string): string {
  const quoted = `'${program.replaceAll("'", `'\\''`)}'`
  return `#!/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
if ! command -v ${quoted} >/dev/null 2>&1; then
  echo "pratique is not installed on this node, so images cannot be verified"
  exit 1
fi
exec ${quoted} node verify-image "$@"
`
}

function notesFor(
  { registry, scopes, expiresAt }: RuntimeTrust,
  { others }: ExportOptions,
  publicKey: string,
): string[] {
  const isGentle = scopes.some(
    ({ signatures }) => signatures?.mode === 'warn' || signatures?.mode === 'audit',
  )
  return [
    keyNote(publicKey),
    others === 'reject'
      ? `ONLY images of ${registry} are accepted, also no pause image of another registry (--others accept accepts those unverified)`
      : 'LOOSER: images of other registries are accepted unverified, as asked by --others accept',
    'put imports = ["/etc/containerd/conf.d/*.toml"] into /etc/containerd/config.toml, restart containerd, and run pratique doctor node',
    'a /etc/containerd/config.toml of version 2 loses its CRI settings (pause image, mirrors) when a snippet of version 3 is imported: run containerd config migrate first',
    accountNote,
    `the trust ends on ${new Date(expiresAt).toISOString().slice(0, 10)}, and then every image is refused: run pratique node refresh daily`,
    'images are verified when they are pulled, not when they are run; ctr images import and ctr images pull --local are not verified',
    'exceptions and lastKnownGoodHours of the policy do not hold on the node',
    ...(isGentle
      ? ['where the mode is warn or audit, images are accepted, and what is missing is only told']
      : []),
  ]
}
