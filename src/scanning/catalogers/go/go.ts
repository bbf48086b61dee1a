import type { Cataloger, FileFacts, FoundPackage } from '../types.ts'

const magic = Buffer.from('\xff Go buildinf:', 'latin1')
const elfMagic = Buffer.from('\x7fELF', 'latin1')
const headerBytes = 32
/** Versions and module list of one binary; real ones have some tens of kilobytes. */
const maximumInfoBytes = 4 * 1024 * 1024
const sentinelBytes = 16
const stepBytes = 1024 * 1024

/** Go binaries, told by their content wherever they lie. */
export const go: Cataloger = {
  name: 'go',
  maximumBytes: 2 * 1024 ** 3,
  wants: (_path, head) => head.subarray(0, 4).equals(elfMagic),
  read(_path, file) {
    const reader = new GoBinaryReader()
    for (let at = 0; at < file.sizeBytes && reader.wantsMore; at += stepBytes) {
      reader.push(Buffer.from(file.read(at, stepBytes)))
    }
    return reader.finish()
  },
}

/**
 * Looks for Go's build information in an ELF binary while it streams by (Go's `debug/buildinfo`: a block that
 * begins with a magic at an address that divides by 16; since Go 1.18 its strings stand right behind it).
 * Memory does not grow with the binary.
 */
class GoBinaryReader {
  #position = 0
  #isElf: boolean | undefined
  #tail: Buffer = Buffer.alloc(0)
  #info: Buffer[] | undefined
  #infoBytes = 0
  #isDone = false

  /** True while more of the file is worth reading. */
  get wantsMore(): boolean {
    return !this.#isDone && this.#isElf !== false
  }

  push(chunk: Buffer): void {
    if (!this.wantsMore) return
    if (this.#isElf === undefined) this.#isElf = chunk.subarray(0, 4).equals(elfMagic)
    if (!this.#isElf) return
    if (this.#info) this.#collect(chunk)
    else this.#search(chunk)
  }

  /** What was found; nothing for what is no Go binary. */
  finish(): FileFacts {
    if (!this.#info) return {}
    return readBuildInfo(Buffer.concat(this.#info))
  }

  #search(chunk: Buffer): void {
    const window = this.#tail.length > 0 ? Buffer.concat([this.#tail, chunk]) : chunk
    const windowAt = this.#position - this.#tail.length
    for (let at = window.indexOf(magic); at >= 0; at = window.indexOf(magic, at + 1)) {
      if ((windowAt + at) % 16 !== 0) continue
      this.#info = []
      this.#collect(window.subarray(at))
      break
    }
    this.#position += chunk.length
    this.#tail = Buffer.from(window.subarray(Math.max(0, window.length - magic.length + 1)))
  }

  #collect(chunk: Buffer): void {
    this.#info?.push(Buffer.from(chunk))
    this.#infoBytes += chunk.length
    const isComplete = this.#infoBytes >= headerBytes && isEnough(Buffer.concat(this.#info ?? []))
    if (isComplete || this.#infoBytes >= maximumInfoBytes) this.#isDone = true
  }
}

function isEnough(block: Buffer): boolean {
  const version = readString(block, headerBytes)
  return version !== undefined && readString(block, version.end) !== undefined
}

function readBuildInfo(block: Buffer): FileFacts {
  const isInline = block.length > headerBytes && ((block[15] as number) & 2) !== 0
  if (!isInline) return { unknown: 'a Go binary from before Go 1.18, whose build information is not read' }
  const version = readString(block, headerBytes)
  const modules = version && readString(block, version.end)
  if (!version || !modules) return { unknown: 'the Go build information is cut off' }
  const goVersion = /^go(\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?)/.exec(version.text)?.[1]
  if (!goVersion)
    return { unknown: `Go version ${JSON.stringify(version.text.slice(0, 40))} is not understood` }
  const packages: FoundPackage[] = [{ type: 'golang', name: 'stdlib', version: normaliseGo(goVersion) }]
  packages.push(...readModules(modules.text.slice(sentinelBytes, -sentinelBytes)))
  return { packages }
}

/** `path`, `mod`, `dep` and `=>` lines, fields split by tabs. A replacement is what was really built in. */
function readModules(text: string): FoundPackage[] {
  const packages: FoundPackage[] = []
  for (const line of text.split('\n')) {
    const [kind, name, version] = line.split('\t')
    if (!name || !version || (kind !== 'mod' && kind !== 'dep' && kind !== '=>')) continue
    if (kind === '=>') packages.pop()
    if (version === '(devel)') continue
    packages.push({ type: 'golang', name, version })
  }
  return packages
}

/** `1.22` as `1.22.0`, `1.22rc1` as `1.22.0-rc.1`, as advisories of the standard library write them. */
function normaliseGo(version: string): string {
  const match = /^(\d+\.\d+)(\.\d+)?(?:(rc|beta)(\d+))?$/.exec(version)
  if (!match) return version
  return `${match[1]}${match[2] ?? '.0'}${match[3] ? `-${match[3]}.${match[4]}` : ''}`
}

/** A string with its length in front as an unsigned varint. */
function readString(block: Buffer, at: number): { text: string; end: number } | undefined {
  let length = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = block[at++]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) {
      if (length > maximumInfoBytes || at + length > block.length) return undefined
      return { text: block.toString('latin1', at, at + length), end: at + length }
    }
  }
  return undefined
}
