import type { Rule } from './index.ts'

export const signedBy: Rule = (rules, { signatures }) => {
  const asked = rules.signedBy
  if (!asked) return undefined
  const threshold = asked.threshold ?? new Set(asked.keys).size
  const wanted = `signed by ${threshold} of ${asked.keys.join(', ')}`
  const signers = signatures.keys.filter((key) => asked.keys.includes(key))
  const evidence = { status: signatures.status, keys: signatures.keys }
  if (signers.length >= threshold) {
    return { rule: 'signedBy', outcome: 'pass', message: `${wanted}: ${signers.join(', ')}`, evidence }
  }
  const message = `${wanted}: ${signatures.status}${signers.length > 0 ? ` (so far ${signers.join(', ')})` : ''}; sign the image (cosign sign --key …)`
  // What is not signed can still be signed: that is not known to be bad, only not known to be good.
  const outcome =
    signatures.status === 'malformed' || signatures.status === 'untrusted' ? 'fail' : 'undetermined'
  return { rule: 'signedBy', outcome, message, evidence }
}
