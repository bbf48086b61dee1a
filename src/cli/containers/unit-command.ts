import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { print } from '../print.ts'

interface UnitOptions {
  readonly program: string
  readonly config: string
  readonly user?: boolean
  readonly kubelet?: boolean
  readonly out?: string
}

/** `pratique node unit`: the agent as a service of systemd, and the kubelet that asks it. */
export function unitCommand(node: Command): void {
  node
    .command('unit')
    .description('a unit of systemd for the agent')
    .option('--program <path>', 'where pratique is', '/usr/local/bin/pratique')
    .option('--config <file>', 'node.json', '/etc/pratique/node.json')
    .option('--user', 'for an account without root')
    .option('--kubelet', 'what points the kubelet at the agent instead')
    .option('--out <file>', 'where to write; standard output when not given')
    .action((options: UnitOptions) => {
      const text = options.kubelet ? kubeletDropIn : unitOf(options)
      if (options.out === undefined) return print(text.trimEnd())
      writeFileSync(options.out, text)
      print(options.out)
    })
}

/** systemd.service(5). Containers are no children of the agent that have to go with it. */
function unitOf({ program, config, user = false }: UnitOptions): string {
  const rooted = user ? '' : 'Delegate=yes\nLimitNOFILE=1048576\nLimitMEMLOCK=infinity\nOOMScoreAdjust=-999\n'
  return `[Unit]
Description=Pratique agent: the verified door in front of this node's container runtimes
After=network-online.target containerd.service crio.service
Wants=network-online.target
Before=kubelet.service

[Service]
ExecStart=${program} node serve --config ${config}
Restart=always
RestartSec=1
KillMode=process
${rooted}
[Install]
WantedBy=${user ? 'default' : 'multi-user'}.target
`
}

/** KubeletConfiguration (kubelet.config.k8s.io/v1beta1). */
const kubeletDropIn = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/pratique/pratique.sock
`
