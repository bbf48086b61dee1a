/** Judges images for the agent in a process of its own: what verifies signatures is large, and seldom needed. */
import { judgeRemote } from './judge-remote.ts'
import type { Question } from './types.ts'

export interface VerifierRequest {
  readonly id: number
  readonly configPath: string
  readonly question: Question
}

process.on('message', ({ id, configPath, question }: VerifierRequest) => {
  void judgeRemote(configPath, question, Date.now()).then((judgement) => process.send?.({ id, judgement }))
})
// The agent has gone.
process.on('disconnect', () => process.exit())
