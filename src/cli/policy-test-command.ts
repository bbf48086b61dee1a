import type { Command } from 'commander'
import type { OutcomeBody, TestBody } from '../policy/wire.ts'
import { exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { markOf } from './image-commands.ts'
import { colour, print, printJson, shortDigest, wrap } from './print.ts'
import { readText } from './read-text.ts'

interface TestOptions {
  readonly explain?: boolean
  readonly reference?: string
  readonly policy?: string
  readonly project?: string
}

/** `pratique policy test`: what every level and rule says of an image now. */
export function policyTestCommand(policy: Command, context: Context): void {
  policy
    .command('test <image>')
    .summary('what every level and rule says of an image now')
    .description(
      'what every level and rule says of an image now, not when it was last judged; exit code 1 when one fails, 3 when one cannot be decided',
    )
    .option('--explain', 'show what each rule rests on, each signature and attestation too')
    .option('--reference <tag>', 'whether it could be pulled under this tag')
    .option('--policy <file>', 'under this policy in place of the one in force')
    .option('--project <name>', 'the file is the policy of this project')
    .action(async (image: string, options: TestOptions) => {
      const result = await context.client().send<TestBody>('POST', '/api/v1/policy/test', {
        image,
        ...(options.reference === undefined ? {} : { reference: options.reference }),
        ...(options.policy === undefined ? {} : { document: readText(options.policy) }),
        ...(options.project === undefined ? {} : { project: options.project }),
      })
      if (context.isJson()) printJson(result)
      else printTest(result, options.explain === true)
      process.exitCode = exits[result.state]
    })
}

const exits: Readonly<Record<TestBody['state'], number>> = {
  pass: exitCodes.pass,
  fail: exitCodes.policySaysNo,
  undetermined: exitCodes.undetermined,
}

function printTest(result: TestBody, isExplained: boolean): void {
  const name = { pass: 'green', fail: 'red', undetermined: 'yellow' } as const
  print(wrap(`${shortDigest(result.image)}: ${colour(name[result.state], result.state)}`))
  print(wrap(`levels: ${result.levels.join(' → ')}`))
  print(`policy: ${shortDigest(result.policyDigest)}`)
  for (const { digest, kind, platform, outcomes } of result.images) {
    if (result.images.length > 1) print(`${platform ?? kind} ${shortDigest(digest)}`)
    for (const outcome of outcomes) printOutcome(outcome, isExplained)
  }
  if (result.reference) printReference(result.reference)
}

function printReference({ tag, isAllowed, allowedTags }: NonNullable<TestBody['reference']>): void {
  const bound = allowedTags ? `; it is signed for ${allowedTags.join(', ') || 'no tag'}` : ''
  const mark = isAllowed ? colour('green', 'pass') : colour('red', 'FAIL')
  print(`  ${mark}  tag ${tag}`)
  print(wrap(`${isAllowed ? 'can be pulled' : 'cannot be pulled'} under this tag${bound}`, '        '))
}

function printOutcome(outcome: OutcomeBody, isExplained: boolean): void {
  const level = outcome.level === undefined ? '' : ` (${outcome.level})`
  print(`  ${markOf(outcome)}  ${outcome.rule}${level}`)
  print(wrap(shortDigest(outcome.message), '        '))
  if (!isExplained || !outcome.evidence) return
  if (outcome.rule === 'signatures') printSignatures(outcome.evidence)
  else for (const line of listEvidence(outcome.evidence)) print(wrap(line, '          '))
}

function listEvidence(evidence: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(evidence).map(
    ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
}

/** What the rule on signatures gives as evidence. */
interface SignatureDetails {
  readonly bindReference?: string
  readonly boundTo?: readonly string[]
  readonly clauses?: readonly {
    readonly name: string
    readonly level: string
    readonly claim: string
    readonly threshold: number
    readonly signers: readonly string[]
    readonly conditions?: readonly string[]
    readonly isMet: boolean
    readonly counted: readonly string[]
    readonly claims: readonly {
      readonly signer: string
      readonly by?: string
      readonly format: string
      readonly keyAlgorithm: string
      readonly time: string
      readonly reference?: string
      readonly through?: string
      readonly counts: boolean
      readonly why?: string
    }[]
    readonly rejections: readonly { readonly status: string; readonly format: string; readonly why: string }[]
  }[]
}

type Clause = NonNullable<SignatureDetails['clauses']>[number]

function printSignatures({ bindReference, boundTo = [], clauses = [] }: SignatureDetails): void {
  if (bindReference !== undefined) {
    print(wrap(`bound to names: ${bindReference}; known here as ${boundTo.join(', ')}`, '          '))
  }
  for (const clause of clauses) printClause(clause)
}

function printClause(clause: Clause): void {
  const met = clause.isMet ? 'met' : 'not met'
  print(wrap(`clause ${clause.name} (${clause.level}): ${met}`, '          '))
  const asked = `${clause.threshold} of ${clause.signers.join(', ')}`
  print(
    wrap(`${clause.claim} by ${asked}; counted: ${clause.counted.join(', ') || 'nobody'}`, '            '),
  )
  for (const condition of clause.conditions ?? []) print(wrap(`condition ${condition}`, '            '))
  for (const claim of clause.claims) {
    const who = claim.by === undefined ? claim.signer : `${claim.by} as ${claim.signer}`
    const parts = [
      `${claim.counts ? 'counts' : 'does not count'}: ${who}, ${claim.format}, ${claim.keyAlgorithm}`,
      `time ${claim.time}`,
      claim.reference === undefined ? 'names no image' : `names ${claim.reference}`,
      ...(claim.through === undefined ? [] : [`part of index ${shortDigest(claim.through)}`]),
      ...(claim.why === undefined ? [] : [claim.why]),
    ]
    print(wrap(parts.join('; '), '            '))
  }
  for (const { status, format, why } of clause.rejections) {
    print(wrap(`does not count: ${status}, ${format}; ${shortDigest(why)}`, '            '))
  }
}
