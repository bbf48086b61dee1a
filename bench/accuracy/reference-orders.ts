import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The place of each version of a list in its order: the same number for the same version, a higher one for a newer,
 * `undefined` for what is no version there.
 */
export type Places = ReadonlyMap<string, number | undefined>

/** Puts each list of versions in order with a program that the product does not use. */
export type PutInOrder = (lists: readonly (readonly string[])[]) => readonly Places[]

/** Debian's own library. */
export const inDebianOrder: PutInOrder = (lists) =>
  askProgram('perl', ['-MDpkg::Version', '-e', rankInPerl], lists)

const rankInPerl = `
while (<STDIN>) {
  chomp;
  my @texts = split /\\t/;
  my %known = map { $_ => Dpkg::Version->new($_) } @texts;
  my ($place, $last, %places) = (-1, undef);
  for my $text (sort { $known{$a} <=> $known{$b} } keys %known) {
    $place++ if !defined $last || ($known{$last} <=> $known{$text}) != 0;
    $places{$text} = $place;
    $last = $text;
  }
  print join(" ", map { $places{$_} } @texts), "\\n";
}
`

/** The reference implementation of PEP 440. */
export const inPythonOrder: PutInOrder = (lists) => askProgram('python3', ['-c', rankInPython], lists)

const rankInPython = `
import sys
try:
    from packaging.version import InvalidVersion, Version
except ImportError:
    from pip._vendor.packaging.version import InvalidVersion, Version
def parse(text):
    try:
        return Version(text)
    except InvalidVersion:
        return None
for line in sys.stdin:
    texts = line.rstrip("\\n").split("\\t")
    known = {text: parse(text) for text in texts}
    order = {version: place for place, version in enumerate(sorted({v for v in known.values() if v is not None}))}
    print(" ".join("x" if known[text] is None else str(order[known[text]]) for text in texts))
`

/** rpm itself, through the Lua that is in it. */
export const inRpmOrder: PutInOrder = (lists) => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-bench-rpm-'))
  try {
    writeFileSync(join(folder, 'lists'), linesOf(lists))
    writeFileSync(join(folder, 'rank.lua'), rankInLua(join(folder, 'lists')))
    return askProgram('rpm', ['--eval', `%{lua: dofile("${folder}/rank.lua")}`], lists)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const rankInLua = (file: string): string => `
for line in io.lines("${file}") do
  local texts, known, order, places = {}, {}, {}, {}
  for text in line:gmatch("[^\\t]+") do
    texts[#texts + 1] = text
    if not known[text] then known[text] = rpm.ver(text); order[#order + 1] = text end
  end
  table.sort(order, function(a, b) return known[a] < known[b] end)
  local place = -1
  for index, text in ipairs(order) do
    if index == 1 or known[order[index - 1]] < known[text] then place = place + 1 end
    places[text] = place
  end
  local answer = {}
  for index, text in ipairs(texts) do answer[index] = places[text] end
  print(table.concat(answer, " ") .. "\\n")
end
`

function linesOf(lists: readonly (readonly string[])[]): string {
  return lists.map((list) => `${list.join('\t')}\n`).join('')
}

function askProgram(
  command: string,
  args: readonly string[],
  lists: readonly (readonly string[])[],
): readonly Places[] {
  const { stdout, stderr, status } = spawnSync(command, args, {
    input: linesOf(lists),
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  })
  const answers = (stdout ?? '').trim().split('\n')
  if (status !== 0 || answers.length !== lists.length) {
    throw new Error(
      `${command} did not put versions in order (${status}, ${answers.length} of ${lists.length}): ${(stderr ?? '').slice(0, 400)}`,
    )
  }
  return lists.map((list, index) => {
    const places = answers[index]?.split(' ') ?? []
    return new Map(list.map((text, at) => [text, places[at] === 'x' ? undefined : Number(places[at])]))
  })
}

/** Semantic versions (semver.org, 11), as keys that sort by their text. */
export const inSemverOrder: PutInOrder = (lists) => lists.map((list) => placesOf(list, semverKey))

function semverKey(text: string): string | undefined {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/.exec(text)
  if (!match) return undefined
  const numbers = [match[1], match[2] ?? '0', match[3] ?? '0'].map((number) => digitsKey(number as string))
  // A release ends with what is above every letter; fewer identifiers come before more.
  const rest =
    match[4]?.split('.').map((part) => (/^\d+$/.test(part) ? `1${digitsKey(part)}` : `2${part}`)) ?? []
  return [...numbers, ...(match[4] === undefined ? ['~'] : rest)].join('\0')
}

/** Alpine's versions (apk-package(5)), as keys that sort by their text. */
export const inAlpineOrder: PutInOrder = (lists) => lists.map((list) => placesOf(list, alpineKey))

const alpineSuffixes = ['alpha', 'beta', 'pre', 'rc', '', 'cvs', 'svn', 'git', 'hg', 'p']

/** A letter for each kind of part, in the order in which they follow what is the same, then the part's value. */
function alpineKey(text: string): string | undefined {
  let rest = text
  let key = ''
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(rest)
    if (match) rest = rest.slice(match[0].length)
    return match
  }
  const first = take(/^\d+/)
  if (!first) return undefined
  key += `I${digitsKey(first[0])}`
  for (let part = take(/^\.(\d+)/); part; part = take(/^\.(\d+)/)) {
    const number = part[1] as string
    key += number.startsWith('0') ? `I0${number}\0` : `I1${digitsKey(number)}`
  }
  const letter = take(/^[a-z]/)
  if (letter) key += `H${letter[0]}`
  for (let part = take(suffixPattern); part; part = take(suffixPattern)) {
    const rank = alpineSuffixes.indexOf(part[1] as string)
    key += `${rank < 4 ? 'A' : 'G'}${rank}${part[2] === '' ? '' : `F${digitsKey(part[2] as string)}`}`
  }
  const hash = take(/^~([0-9a-f]+)/)
  if (hash) key += `E${hash[1]}\0`
  const revision = take(/^-r(\d+)/)
  if (revision) key += `D${digitsKey(revision[1] as string)}`
  return key + (rest === '' ? 'C' : 'B')
}

const suffixPattern = /^_(alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])(\d*)/

/** Digits so that the text of a larger number sorts behind. */
function digitsKey(digits: string): string {
  const number = digits.replace(/^0+(?=\d)/, '')
  return String.fromCharCode(0x30 + number.length) + number
}

function placesOf(list: readonly string[], keyOf: (text: string) => string | undefined): Places {
  const keys = new Map(list.map((text) => [text, keyOf(text)]))
  const order = [...new Set(keys.values())].filter((key) => key !== undefined).toSorted(byText)
  const placeOf = new Map(order.map((key, place) => [key, place]))
  return new Map([...keys].map(([text, key]) => [text, key === undefined ? undefined : placeOf.get(key)]))
}

function byText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
