import { alpineSecdb } from './alpine-secdb.ts'
import { debianTracker } from './debian-tracker.ts'
import { epss } from './epss.ts'
import { kev } from './kev.ts'
import { nodeCore } from './node-core.ts'
import { openVex } from './open-vex.ts'
import { osv } from './osv.ts'
import { redHatVex } from './red-hat-vex.ts'
import { severityList } from './severity-list.ts'
import type { SourceAdapter } from './types.ts'
import { ubuntuCves } from './ubuntu-cves.ts'

/** Every kind of advisory data, in the order in which a record is offered to them. */
export const sourceAdapters: readonly SourceAdapter[] = [
  ubuntuCves,
  osv,
  alpineSecdb,
  kev,
  epss,
  severityList,
  nodeCore,
  redHatVex,
  openVex,
  debianTracker,
]
