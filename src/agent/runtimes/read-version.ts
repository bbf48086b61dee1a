const maximumText = 64 * 1024

/**
 * The version in what a program says of itself: `runc version 1.1.5`, `runsc version release-20240212.0`,
 * `youki 0.5.3`, `kata-runtime  : 3.2.0`, or a line `Version:  2.1.9` of a shim.
 */
export function readVersion(said: string): string | undefined {
  const text = said.slice(0, maximumText)
  const found =
    /\bversion\s{0,10}:?[ \t]{1,10}(?:release-)?v?(\d[\w.+~-]{0,60})/i.exec(text) ??
    /^[\w-]{1,60}\s{0,10}:?[ \t]{1,10}(?:release-)?v?(\d[\w.+~-]{0,60})/m.exec(text)
  return found?.[1]
}

/** What crun was built with, as it says with its version: `+SECCOMP +CRIU +WASM:wasmedge`. */
export function readPlusses(said: string): string[] {
  const names: Readonly<Record<string, string>> = {
    SECCOMP: 'seccomp',
    APPARMOR: 'apparmor',
    SELINUX: 'selinux',
    CRIU: 'checkpoint',
    LIBKRUN: 'virtual-machine',
  }
  const words = Array.from(
    said.slice(0, maximumText).matchAll(/(?:^|\s)\+([A-Z]+(?::[\w-]+)?)/g),
    ([, word = '']) => word,
  )
  return words.flatMap((word) => {
    const [name = '', engine] = word.split(':')
    if (name === 'WASM') return engine === undefined ? ['wasm'] : ['wasm', `wasm-${engine.toLowerCase()}`]
    return names[name] === undefined ? [] : [names[name]]
  })
}

interface OciFeatures {
  readonly mountOptions?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly linux?: {
    readonly namespaces?: readonly string[]
    readonly cgroup?: { readonly v2?: boolean }
    readonly seccomp?: { readonly enabled?: boolean }
    readonly apparmor?: { readonly enabled?: boolean }
    readonly selinux?: { readonly enabled?: boolean }
    readonly mountExtensions?: { readonly idmap?: { readonly enabled?: boolean } }
  }
}

/** What a runtime can do, by the answer to `features` (runtime-spec, "Features Structure"); undefined for no answer. */
export function readFeatures(text: string): string[] | undefined {
  let told: OciFeatures | null
  try {
    told = JSON.parse(text) as OciFeatures | null
  } catch {
    return undefined
  }
  if (typeof told !== 'object' || told === null || Array.isArray(told)) return undefined
  const { linux, annotations } = told
  const has: readonly (readonly [name: string, isThere: boolean])[] = [
    ['user-namespaces', includes(linux?.namespaces, 'user')],
    ['seccomp', linux?.seccomp?.enabled === true],
    ['apparmor', linux?.apparmor?.enabled === true],
    ['selinux', linux?.selinux?.enabled === true],
    ['cgroup-v2', linux?.cgroup?.v2 === true],
    ['recursive-read-only-mounts', includes(told.mountOptions, 'rro')],
    ['id-mapped-mounts', linux?.mountExtensions?.idmap?.enabled === true],
    ['checkpoint', isTrue(annotations, 'org.opencontainers.runc.checkpoint.enabled')],
    ['wasm', isTrue(annotations, 'run.oci.crun.wasm')],
  ]
  return has.flatMap(([name, isThere]) => (isThere ? [name] : []))
}

function includes(list: unknown, one: string): boolean {
  return Array.isArray(list) && list.includes(one)
}

function isTrue(annotations: Readonly<Record<string, unknown>> | null | undefined, name: string): boolean {
  return annotations?.[name] === 'true'
}
