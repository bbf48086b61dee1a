/** Rules of a policy from which there can be exceptions. */
export const exemptRules = [
  'signatures',
  'scanned',
  'findings',
  'knownExploited',
  'databaseAge',
  'unknownFiles',
  'approvedBase',
] as const
