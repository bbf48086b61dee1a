/** Judges images for the agent in a process of its own: what verifies signatures is large, and seldom needed. */
import { judgeRemote } from './judge-remote.ts'
import { keepTrust } from '../enrolment/refresh-trust.ts'
import { readNodeConfig } from '../read-node.ts'
import type { Judgement, Question } from './types.ts'

/** A question about an image, or a trust (in base64) that is to take the place of the one that is kept. */
export type VerifierRequest = { readonly id: number; readonly configPath: string } & (
  { readonly question: Question } | { readonly trust: string }
)

process.on('message', (request: VerifierRequest) => {
  const { id, configPath } = request
  const work =
    'question' in request
      ? judgeRemote(configPath, request.question, Date.now())
      : take(configPath, request.trust)
  void work.then((judgement) => process.send?.({ id, judgement }))
})
// The agent has gone.
process.on('disconnect', () => process.exit())

async function take(configPath: string, bundle: string): Promise<Judgement> {
  try {
    const config = readNodeConfig(configPath)
    const { policyVersion } = await keepTrust(
      { configPath, config },
      Buffer.from(bundle, 'base64'),
      Date.now(),
    )
    return { isAllowed: true, name: '', reason: `the policy has the version ${policyVersion}` }
  } catch (error) {
    return { isAllowed: false, name: '', reason: (error as Error).message }
  }
}
