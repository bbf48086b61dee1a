import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../../test/fixtures/seeded-random.ts'
import { vectorSigner } from '../../../../test/fixtures/vector-signer.ts'
import {
  readVectorBlob,
  vectorAttachments,
  vectorCases,
  vectorSubject,
} from '../../../../test/fixtures/vector-source.ts'
import type { Claim, Envelope, Rejection, SignatureFormat, VerificationQuestion } from '../../types.ts'
import { sigstoreBundle } from '../sigstore-bundle/index.ts'
import { cosignLegacy } from './index.ts'

const now = Date.parse('2026-11-25T00:00:00Z')
const mutations = 60

/** One byte changed, one left out, or one put in. */
function mutate(bytes: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length)
  const byte = Math.floor(random() * 256)
  const kind = Math.floor(random() * 4)
  if (kind === 0) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
  if (kind === 1) return Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at)])
  const changed = Buffer.from(bytes)
  changed[at] = kind === 2 ? byte : (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))
  return changed
}

/** Mutates the bytes of a layer, or one of its annotations. */
function mutateEnvelope(envelope: Envelope, random: () => number): Envelope {
  const annotations = Object.entries(envelope.layer.annotations ?? {})
  const chosen = annotations[Math.floor(random() * (annotations.length + 1))]
  if (!chosen || chosen[1] === '') return { ...envelope, bytes: mutate(envelope.bytes, random) }
  const changed = mutate(Buffer.from(chosen[1], 'latin1'), random).toString('latin1')
  return {
    ...envelope,
    layer: { ...envelope.layer, annotations: { ...envelope.layer.annotations, [chosen[0]]: changed } },
  }
}

interface Accepted {
  readonly id: string
  readonly format: SignatureFormat
  readonly envelope: Envelope
  readonly question: VerificationQuestion
}

const envelopes = vectorCases('cosign', 'sigstore').flatMap((vector) =>
  vectorAttachments(vector, vector.subject).flatMap((attachment) =>
    [cosignLegacy, sigstoreBundle].flatMap((format) =>
      format.envelopesOf(attachment).map((layer): Accepted => {
        const question = { subject: vectorSubject(vector), signers: [vectorSigner(vector.trust)], now }
        const envelope = { attachment, layer, bytes: readVectorBlob(layer.digest) }
        return { id: `${vector.id} ${layer.digest.slice(7, 15)}`, format, envelope, question }
      }),
    ),
  ),
)

function judge({ format, envelope, question }: Accepted): Promise<Claim | Rejection> {
  return format.verify(envelope, question)
}

let tried = 0
let stillVerified = 0

for (const [seed, accepted] of envelopes.entries()) {
  const original = await judge(accepted)
  if (original.status !== 'verified') continue
  test(`no change of a byte in ${accepted.id} changes what is verified`, async () => {
    const random = seededRandom(seed + 1)
    for (let count = 0; count < mutations; count++) {
      const envelope = mutateEnvelope(accepted.envelope, random)
      const outcome = await judge({ ...accepted, envelope })
      tried++
      if (outcome.status !== 'verified') continue
      // What is not signed may differ, such as a hint or a field that is for people; what it says may not.
      stillVerified++
      assert.deepEqual(outcome, original)
    }
  })
}

test('the changes were many, and all but a few of them were refused', () => {
  assert.ok(tried > 1500, `${tried} changes`)
  assert.ok(stillVerified < tried / 20, `${stillVerified} of ${tried} were still verified`)
})
