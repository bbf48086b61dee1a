import calculator from 'ae-cvss-calculator'
import type { Severity } from '../types.ts'

// A CommonJS bundle whose names Node cannot see, so they are taken from the whole.
const { Cvss2, Cvss3P0, Cvss3P1, Cvss4P0 } = calculator

const maximumVectorLength = 400

/** The newest first: a source that gives several means the newest one most. */
const versions: readonly (readonly [
  prefix: string,
  parse: (vector: string) => { calculateScores(): { overall: number } },
])[] = [
  ['CVSS:4.0/', (vector) => new Cvss4P0(vector)],
  ['CVSS:3.1/', (vector) => new Cvss3P1(vector)],
  ['CVSS:3.0/', (vector) => new Cvss3P0(vector)],
  ['AV:', (vector) => new Cvss2(vector)],
]

/**
 * The base score of CVSS vectors: of the newest version among them (4.0, 3.1, 3.0, 2.0) the highest. Undefined
 * when none can be read.
 */
export function scoreOf(vectors: readonly string[]): number | undefined {
  for (const [prefix, parse] of versions) {
    const scores = vectors
      .filter((vector) => vector.startsWith(prefix) && vector.length <= maximumVectorLength)
      .map((vector) => computeScore(vector, parse))
      .filter((score) => score !== undefined)
    if (scores.length > 0) return Math.max(...scores)
  }
  return undefined
}

function computeScore(
  vector: string,
  parse: (vector: string) => { calculateScores(): { overall: number } },
): number | undefined {
  try {
    const score = parse(vector).calculateScores().overall
    return typeof score === 'number' && score >= 0 && score <= 10 ? score : undefined
  } catch {
    return undefined
  }
}

/** Words that sources use, as ours. */
const words: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  important: 'high',
  high: 'high',
  moderate: 'medium',
  medium: 'medium',
  low: 'low',
  unimportant: 'negligible',
  negligible: 'negligible',
}

/** The severity that a source's word stands for; undefined for a word that says none. */
export function severityOfWord(word: string | undefined): Severity | undefined {
  const key = word?.toLowerCase() ?? ''
  return Object.hasOwn(words, key) ? words[key] : undefined
}

/** The severity that a source's word or, without one, a score stands for (CVSS v3.1, "Qualitative scale"). */
export function severityOf(word: string | undefined, score: number | undefined): Severity {
  const known = severityOfWord(word)
  if (known) return known
  if (score === undefined || score === 0) return 'unknown'
  if (score >= 9) return 'critical'
  if (score >= 7) return 'high'
  return score >= 4 ? 'medium' : 'low'
}
