import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { findVersion } from './find-version.ts'
import { programs } from './programs.ts'
import { releaseFiles } from './release-files.ts'
import { programs as table } from './table.ts'

const folder = join(import.meta.dirname, 'testdata')
const elf = Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1')], 64)

function read(path: string, bytes: Buffer): FileFacts {
  return programs.read(path, contentOf(bytes)) as FileFacts
}

function found({ packages = [] }: FileFacts): string[] {
  return packages.map(({ type, name, version }) => `${type} ${name} ${version}`)
}

/** Pieces of real programs, by what they are called, and what they are. */
const real: Readonly<Record<string, string>> = {
  apache2: 'apache 2.4.71',
  bash: 'bash 5.2.15',
  busybox: 'busybox 1.35.0',
  curl: 'curl 7.88.1',
  git: 'git 2.39.5',
  haproxy: 'haproxy 2.6.12',
  jq: 'jq 1.6',
  'libcrypto.so.3': 'openssl 3.0.22',
  'libcurl.so.4.8.0': 'curl 7.88.1',
  'liblua5.4.so.0.0.0': 'lua 5.4.4',
  'libpython3.11.so.1.0': 'libpython 3.11.2',
  'libruby.so.3.1.2': 'ruby 3.1.2',
  'libsqlite3.so.0.8.6': 'sqlite 3.40.1',
  mariadbd: 'mariadb 10.11.19',
  memcached: 'memcached 1.6.18',
  nginx: 'nginx 1.22.1',
  node: 'node 24.21.0',
  openssl: 'openssl 3.0.22',
  perl: 'perl 5.36.0',
  php: 'php 8.2.36',
  postgres: 'postgresql 15.20',
  'python3.11': 'python 3.11.2',
  'redis-server': 'redis 7.0.15',
  varnishd: 'varnish 7.1.1',
}

describe('a real program', () => {
  for (const [name, expected] of Object.entries(real)) {
    test(`${name} tells its version`, () => {
      const bytes = readFileSync(join(folder, name))
      assert.ok(programs.wants(`opt/bin/${name}`, bytes.subarray(0, 64)))
      assert.deepEqual(found(read(`opt/bin/${name}`, bytes)), [`generic ${expected}`])
    })
  }

  test('is in the list above for each that is here', () => {
    const here = readdirSync(folder).filter((name) => name !== 'README.md')
    assert.deepEqual(here.toSorted(), Object.keys(real).toSorted())
  })
})

/** As these programs are known to write their versions where no real one is at hand. */
const written: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'openresty 1.21.4.1': ['nginx', 'nginx version: openresty/1.21.4.1\n\0'],
  'openssl 1.1.1n': ['libssl-0a1b2c3d.so.1.1', '\0OpenSSL 1.1.1n  15 Mar 2022\0'],
  'openssl 1.0.2k': ['openssl', '\0OpenSSL 1.0.2k-fips  26 Jan 2017\0'],
  'redis 7.2.4': ['redis-server', '\x007.2.41a2b3c4d5e6f-1705000000000000000\0'],
  'valkey 8.0.1': ['valkey-server', '\x008.0.1buildkitsandbox-1727888000000000000\0'],
  'mysql 8.0.36': ['mysqld', '\0/build/sb_0-1/mysql-8.0.36/sql/sql_parse.cc\0'],
  'python 3.13.0': ['python3.13t', '\0GLIBC_2.2.5\0/opt/python/3.13.0\0'],
  'libpython 3.14.0rc1': ['libpython3.14.so.1.0', '\x003.1.4\x003.14.0rc1+\0'],
  'ruby 3.4.0': ['ruby', 'ruby 3.4.0preview1 (2024-05-16 master 9d69619623) [x86_64-linux]\0'],
  'openldap 2.6.6': ['slapd', '@(#) $OpenLDAP: slapd 2.6.6 (Aug 1 2023) $\0'],
  'busybox 1.36.1': ['[', 'BusyBox v1.36.1 (2023-11-01 00:00:00 UTC)\0'],
}

for (const [expected, [file, text]] of Object.entries(written)) {
  test(`${expected} is known by how it is written`, () => {
    const bytes = Buffer.concat([elf, Buffer.from(text, 'latin1')])
    assert.deepEqual(found(read(`usr/local/bin/${file}`, bytes)), [`generic ${expected}`])
  })
}

test('a program of another name, and a script, are not looked at', () => {
  for (const name of ['server', 'nodejs-thing', 'python3-config', 'libpq.so.5', 'git-lfs']) {
    assert.ok(!programs.wants(`usr/bin/${name}`, elf), name)
  }
  assert.ok(!programs.wants('usr/bin/node', Buffer.from('#!/bin/sh\nexec node "$@"\n'.padEnd(64))))
})

test('a program of a known name that tells no version is passed over', () => {
  for (const name of Object.keys(real)) assert.deepEqual(read(name, elf), {}, name)
})

test('the version of Python is that of its name, not of another that it speaks of', () => {
  const bytes = Buffer.concat([elf, Buffer.from('\x003.40.1\0\x003.8.1\0\x003.11.4\0')])
  assert.deepEqual(found(read('usr/local/bin/python3.11', bytes)), ['generic python 3.11.4'])
  assert.deepEqual(found(read('usr/local/bin/python3.12', bytes)), [])
})

test('a version is found wherever it lies in a large program', () => {
  const sign = { anchor: 'nginx version: nginx/', pattern: /nginx\/(\d\.\d\d\.\d)/ }
  const text = Buffer.from('nginx version: nginx/1.26.2')
  for (const at of [
    0,
    1024 * 1024 - 30,
    1024 * 1024 - 10,
    1024 * 1024,
    1024 * 1024 + 200,
    2.5 * 1024 * 1024,
  ]) {
    const bytes = Buffer.alloc(3 * 1024 * 1024)
    text.copy(bytes, at)
    assert.equal(findVersion(contentOf(bytes), sign), '1.26.2', `at ${at}`)
  }
})

test('no text makes a search long', () => {
  const texts = [
    'OpenSSL ',
    '\x003.',
    '3.11.',
    '00000000\0',
    ', released 20',
    '-MariaDB',
    '1.1.1.',
    'a',
    '\0',
  ]
  for (const text of texts) {
    const bytes = Buffer.alloc(4 * 1024 * 1024, text, 'latin1')
    const started = performance.now()
    for (const name of Object.keys(real)) read(name, bytes)
    assert.ok(performance.now() - started < 10_000, JSON.stringify(text))
  }
})

test('whatever stands beside an anchor, a version is one', () => {
  const anchors = table.flatMap(({ signs }) => signs.map(({ anchor }) => anchor.replace('$1', '3.11')))
  const piece = fc.oneof(
    fc.constantFrom(...anchors, '\0', '.', '1', '20', ' ', 'v', '-'),
    fc.string({ maxLength: 3 }),
  )
  const file = fc.constantFrom(...Object.keys(real))
  fc.assert(
    fc.property(file, fc.array(piece, { maxLength: 30 }), (name, pieces) => {
      const { packages = [] } = read(name, Buffer.concat([elf, Buffer.from(pieces.join(''), 'latin1')]))
      assert.ok(packages.every(({ version }) => /^\d[\w.-]*$/.test(version)))
    }),
    { numRuns: 500 },
  )
})

describe('a runtime in a folder of its own', () => {
  const tell = (path: string, text: string): string[] => {
    const bytes = Buffer.from(text)
    if (!releaseFiles.wants(path, bytes.subarray(0, 64))) return []
    return found(releaseFiles.read(path, contentOf(bytes)) as FileFacts)
  }
  const temurin = 'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="25.0.3"\nIMAGE_TYPE="JDK"\n'

  test('is Java, by its file release, under the name of what it can do', () => {
    assert.deepEqual(tell('opt/java/openjdk/release', temurin), ['generic java 25.0.3'])
    assert.deepEqual(tell('opt/java/release', temurin.replace('JDK', 'JRE')), ['generic jre 25.0.3'])
    assert.deepEqual(tell('opt/jre17/release', 'JAVA_VERSION="17.0.15"\nMODULES="java.base java.sql"\n'), [
      'generic jre 17.0.15',
    ])
    assert.deepEqual(
      tell('opt/jdk17/release', 'JAVA_VERSION="17.0.15"\nMODULES="java.base jdk.compiler"\n'),
      ['generic java 17.0.15'],
    )
  })

  test('is Java 8, whose versions advisories write in the new way', () => {
    assert.deepEqual(tell('usr/lib/jvm/8/release', 'JAVA_VERSION="1.8.0_261"\n'), ['generic java 8.0.261'])
    assert.deepEqual(tell('usr/lib/jvm/8/jre/release', 'JAVA_VERSION="1.8.0"\n'), ['generic jre 8.0.0'])
  })

  test('is the Go toolchain, by its file VERSION', () => {
    assert.deepEqual(tell('usr/local/go/VERSION', 'go1.22.3\ntime 2024-05-01T19:49:47Z\n'), [
      'generic golang 1.22.3',
    ])
  })

  test('is none, where such files are about something else', () => {
    assert.deepEqual(tell('opt/app/release', 'VERSION="1.2.3"\n'), [])
    assert.deepEqual(tell('opt/app/release', 'v1.2.3\n'), [])
    assert.deepEqual(tell('opt/app/VERSION', '1.22.3\n'), [])
    assert.deepEqual(tell('opt/app/VERSION', 'go1.x\n'), [])
  })
})
