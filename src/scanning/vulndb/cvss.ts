import calculator from 'ae-cvss-calculator'
import type { Severity } from '../types.ts'

// A CommonJS bundle whose names Node cannot see, so they are taken from the whole.
const { Cvss2, Cvss3P0, Cvss3P1, Cvss4P0 } = calculator

const maximumVectorLength = 400

/** The highest base score among CVSS vectors (2.0, 3.0, 3.1, 4.0); undefined when none can be read. */
export function highestScore(vectors: readonly string[]): number | undefined {
  const scores = vectors.map(scoreOf).filter((score) => score !== undefined)
  return scores.length === 0 ? undefined : Math.max(...scores)
}

function scoreOf(vector: string): number | undefined {
  if (vector.length > maximumVectorLength) return undefined
  try {
    const score = parse(vector)?.calculateScores().overall
    return typeof score === 'number' && score >= 0 && score <= 10 ? score : undefined
  } catch {
    return undefined
  }
}

function parse(vector: string): { calculateScores(): { overall: number } } | undefined {
  if (vector.startsWith('CVSS:4.0/')) return new Cvss4P0(vector)
  if (vector.startsWith('CVSS:3.1/')) return new Cvss3P1(vector)
  if (vector.startsWith('CVSS:3.0/')) return new Cvss3P0(vector)
  return vector.startsWith('AV:') ? new Cvss2(vector) : undefined
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

/** The severity that a source's word or, without one, a score stands for (CVSS v3.1, "Qualitative scale"). */
export function severityOf(word: string | undefined, score: number | undefined): Severity {
  const known = words[word?.toLowerCase() ?? '']
  if (known) return known
  if (score === undefined || score === 0) return 'unknown'
  if (score >= 9) return 'critical'
  if (score >= 7) return 'high'
  return score >= 4 ? 'medium' : 'low'
}
