import { dirname, join } from 'node:path'

/** Where the enrolment of a node is, beside its `node.json`. */
export function enrolmentFolder(configPath: string): string {
  return join(dirname(configPath), 'enrolment')
}
