import type { OperatingSystem, PackageType } from '../../src/scanning/types.ts'
import {
  inAlpineOrder,
  inDebianOrder,
  inPythonOrder,
  inRpmOrder,
  inSemverOrder,
  type PutInOrder,
} from './reference-orders.ts'

/** An ecosystem that findings are measured in. */
export interface Ecosystem {
  /** OSV's name. */
  readonly name: string
  readonly title: string
  readonly type: PackageType
  readonly operatingSystem?: OperatingSystem
  readonly order: PutInOrder
  readonly orderTitle: string
  /** Versions at, just below and just above a bound. */
  near(bound: string): readonly string[]
  /** A version as a cataloger gives it. */
  installed?(version: string, name: string): string
}

const debian = { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' }
const alpine = { id: 'alpine', versionId: '3.24_alpha20260127', prettyName: 'Alpine Linux edge' }
const almalinux = { id: 'almalinux', versionId: '9.6', prettyName: 'AlmaLinux 9.6' }
const ownOrder = 'a reading of its own'

export const ecosystems: readonly Ecosystem[] = [
  {
    name: 'Go',
    title: 'Go',
    type: 'golang',
    order: inSemverOrder,
    orderTitle: ownOrder,
    near: (bound) => [...nearSemver(bound), pseudoVersion(bound), `${bound.split('+')[0]}+incompatible`],
    installed: (version, name) => (name === 'stdlib' || name === 'toolchain' ? version : `v${version}`),
  },
  {
    name: 'crates.io',
    title: 'crates.io',
    type: 'cargo',
    order: inSemverOrder,
    orderTitle: ownOrder,
    near: nearSemver,
  },
  {
    name: 'npm',
    title: 'npm, the packages with checked ranges',
    type: 'npm',
    order: inSemverOrder,
    orderTitle: ownOrder,
    near: nearSemver,
  },
  {
    name: 'PyPI',
    title: 'PyPI',
    type: 'pypi',
    order: inPythonOrder,
    orderTitle: 'packaging',
    near: (bound) => [
      `${bound}.dev0`,
      `${bound}a1`,
      bound,
      `${bound}.0`,
      `${bound}+local.1`,
      `${bound}.post1`,
      `${bound}.1`,
    ],
  },
  {
    name: 'Alpine:edge',
    title: 'Alpine edge',
    type: 'apk',
    operatingSystem: alpine,
    order: inAlpineOrder,
    orderTitle: ownOrder,
    near: nearAlpine,
  },
  {
    name: 'AlmaLinux:9',
    title: 'AlmaLinux 9',
    type: 'rpm',
    operatingSystem: almalinux,
    order: inRpmOrder,
    orderTitle: 'rpm',
    near: (bound) => [
      `${bound}~rc1`,
      lowerEpoch(bound),
      bound,
      `${bound}^1`,
      `${bound}.1`,
      `9:${bound.replace(/^\d+:/, '')}`,
    ],
  },
  {
    name: 'Debian:12',
    title: 'Debian 12',
    type: 'deb',
    operatingSystem: debian,
    order: inDebianOrder,
    orderTitle: 'Dpkg::Version',
    near: (bound) => [
      `${bound}~`,
      `${bound}~bpo12+1`,
      lowerEpoch(bound),
      bound,
      `${bound}+deb12u1`,
      `${bound}.1`,
    ],
  },
]

function nearSemver(bound: string): readonly string[] {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:-([^+]+))?/.exec(bound)
  if (!match) return [bound]
  const [major, minor, patch] = match.slice(1, 4).map(Number) as [number, number, number]
  const release = `${major}.${minor}.${patch}`
  const before = [
    patch > 0 ? `${major}.${minor}.${patch - 1}` : undefined,
    minor > 0 ? `${major}.${minor - 1}.99` : undefined,
    `${release}-0`,
    `${release}-rc.1`,
  ].filter((one) => one !== undefined)
  const pre = match[4] === undefined ? [] : [`${release}-${match[4]}.0`, release]
  return [...before, bound, ...pre, `${major}.${minor}.${patch + 1}`, `${major}.${minor + 1}.0-alpha`]
}

/** What Go calls a commit behind the release before. */
function pseudoVersion(bound: string): string {
  const release = /^\d+\.\d+\.\d+/.exec(bound)?.[0] ?? '0.0.0'
  return `${release}-0.20240102030405-0123456789ab`
}

function nearAlpine(bound: string): readonly string[] {
  const [, version = bound, revision] = /^(.*?)(?:-r(\d+))?$/.exec(bound) ?? []
  const number = Number(revision ?? 0)
  return [
    `${version}_rc1-r0`,
    number > 0 ? `${version}-r${number - 1}` : `${version}_alpha-r3`,
    bound,
    `${version}-r${number + 1}`,
    `${version}_p1-r0`,
    `${version}.1-r0`,
  ]
}

/** The same without its epoch, which is lower. */
function lowerEpoch(bound: string): string {
  return bound.replace(/^\d+:/, '')
}
