import { cycloneDx } from './cyclonedx/write-cyclonedx.ts'
import { spdx2 } from './spdx-2/write-spdx-2.ts'
import { spdx3 } from './spdx-3/write-spdx-3.ts'
import type { SbomFormat } from './types.ts'

/** Every format that an SBOM can be written in. */
export const sbomFormats: readonly SbomFormat[] = [cycloneDx, spdx2, spdx3]
