import type { DatabaseTransaction } from '../database/index.ts'

/**
 * Has every image that a signer is known to have signed, and every index that lists one, wait for its next
 * verdict: from the moment at which a signer is revoked nothing of it is served on an old word. What no longer holds
 * then has no grace.
 */
export async function suspendSigned(transaction: DatabaseTransaction, signer: string): Promise<void> {
  const reason = {
    rule: 'signatures',
    outcome: 'undetermined',
    message: `the signer ${signer} was revoked; the image is being judged again`,
  }
  await transaction
    .updateTable('verdict')
    .set({ state: 'pending', reasons: JSON.stringify([reason]), grace_until: null })
    .where('state', 'in', ['cleared', 'recalled'])
    .where((expression) =>
      expression.or([
        expression.exists(
          expression
            .selectFrom('image_claim')
            .select('image_claim.digest')
            .where('image_claim.signer', '=', signer)
            .whereRef('image_claim.repository_id', '=', 'verdict.repository_id')
            .whereRef('image_claim.digest', '=', 'verdict.digest'),
        ),
        expression.exists(
          expression
            .selectFrom('image_claim')
            .innerJoin('manifest_reference', 'manifest_reference.target_digest', 'image_claim.digest')
            .select('image_claim.digest')
            .where('image_claim.signer', '=', signer)
            .where('manifest_reference.kind', '=', 'manifest')
            .whereRef('image_claim.repository_id', '=', 'verdict.repository_id')
            .whereRef('manifest_reference.manifest_digest', '=', 'verdict.digest'),
        ),
      ]),
    )
    .execute()
}
