import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding } from '../../scanning/types.ts'
import { adviseFixes } from './advise-fixes.ts'

function finding(id: string, changes: Partial<Finding> = {}): Finding {
  return {
    id,
    aliases: [],
    severity: 'high',
    summary: '',
    packageType: 'deb',
    packageName: 'openssl',
    installedVersion: '3.0.11-1',
    fixState: changes.fixedVersion === undefined ? 'unfixed' : 'fixed',
    purl: '',
    path: 'var/lib/dpkg/status',
    layer: 0,
    layerDigest: '',
    source: 'debian',
    ...changes,
  }
}

test('names the lowest version that fixes all that can be fixed', () => {
  const findings = [
    finding('CVE-1', { fixedVersion: '3.0.9-2', severity: 'critical' }),
    finding('CVE-2', { fixedVersion: '3.0.15-1' }),
    finding('CVE-3', { fixedVersion: '3.0.13-1~deb12u1' }),
  ]
  assert.deepEqual(adviseFixes(findings), ['update openssl 3.0.11-1 → 3.0.15-1 (fixes 3, 1 critical)'])
})

test('tells of packages of one source in one line', () => {
  const fixedVersion = '3.0.15-1'
  const findings = [
    finding('CVE-1', { fixedVersion }),
    finding('CVE-1', { fixedVersion, packageName: 'libssl3' }),
  ]
  assert.deepEqual(adviseFixes(findings), ['update openssl, libssl3 3.0.11-1 → 3.0.15-1 (fixes 1, 1 high)'])
})

test('says in which file a language package stands', () => {
  const place = { packageType: 'npm', packageName: 'minimist', installedVersion: '1.2.5' } as const
  const findings = [
    finding('CVE-1', { ...place, fixedVersion: '1.2.6', path: 'app/node_modules/minimist/package.json' }),
  ]
  assert.deepEqual(adviseFixes(findings), [
    'update minimist 1.2.5 → 1.2.6 in app/node_modules/minimist/package.json (fixes 1, 1 high)',
  ])
})

test('advises a rebuild first and does not tell again of what it fixes', () => {
  const findings = [
    finding('CVE-1', { fixedVersion: '3.0.15-1', base: 'debian:12.4' }),
    finding('CVE-2', { fixedVersion: '3.0.15-1', base: 'debian:12.4' }),
    finding('CVE-3', { packageName: 'curl', fixedVersion: '9-1' }),
  ]
  const base = { name: 'debian', version: '12.5', findings: [finding('CVE-2')] }
  assert.deepEqual(adviseFixes(findings, base), [
    'rebuild on base debian:12.5: it fixes 1 of 3',
    'update openssl 3.0.11-1 → 3.0.15-1 (fixes 1, 1 high)',
    'update curl 3.0.11-1 → 9-1 (fixes 1, 1 high)',
  ])
})

test('advises no rebuild that fixes nothing, nor for what the base did not bring', () => {
  const base = { name: 'debian', version: '12.5', findings: [] }
  assert.doesNotMatch(adviseFixes([finding('CVE-1', { fixedVersion: '4-1' })], base).join('\n'), /rebuild/)
})

test('says of what has no fix why it has none', () => {
  const findings = [
    finding('CVE-1', { packageName: 'zlib1g' }),
    finding('CVE-2', { packageName: 'perl', fixState: 'will-not-fix' }),
    finding('CVE-3', { packageName: 'tar', fixState: 'end-of-life' }),
  ]
  const text = adviseFixes(findings).join('\n')
  assert.match(text, /no fix yet: zlib1g 3\.0\.11-1 \(1, 1 high\)/)
  assert.match(text, /will not be fixed: perl/)
  assert.match(text, /no longer supported: tar/)
})

test('leaves out what is accepted and what was removed', () => {
  const fixedVersion = '4-1'
  const findings = [
    finding('CVE-1', {
      fixedVersion,
      exception: { id: '1', status: 'not_affected', reason: '', approvedBy: 'sam', isSuppressed: true },
    }),
    finding('CVE-2', { fixedVersion, removedBy: { layerDigest: '' } }),
  ]
  assert.deepEqual(adviseFixes(findings), [])
})

test('puts the worst first and ends a long list', () => {
  const findings = Array.from({ length: 40 }, (_, index) =>
    finding(`CVE-${index}`, {
      packageName: `package-${index}`,
      fixedVersion: '4-1',
      severity: index === 39 ? 'critical' : 'low',
    }),
  )
  const advice = adviseFixes(findings)
  assert.match(advice[0] ?? '', /package-39/)
  assert.equal(advice.length, 21)
  assert.equal(advice.at(-1), 'and 20 more updates')
})
