import { catalogers, type Cataloger, type FileContent, type FileFacts } from '../catalogers/index.ts'
import { withContent } from './file-content.ts'

/** As much of a file's beginning as catalogers are shown to decide whether they want it. */
export const headBytes = 64

/** No name, version or path of a package is longer in earnest. */
const maximumText = 1024

/** The catalogers that want a file, by its path and first bytes. */
export function wantedBy(path: string, head: Buffer): Cataloger[] {
  return catalogers.filter((cataloger) => cataloger.wants(path, head))
}

/**
 * What all catalogers that want a file say of it; undefined when that is nothing. Takes every chunk, and
 * never throws for what is in them.
 */
export async function catalogueFile(
  wanting: readonly Cataloger[],
  path: string,
  sizeBytes: number,
  chunks: AsyncIterable<Buffer>,
): Promise<FileFacts | undefined> {
  const able = wanting.filter(({ maximumBytes }) => sizeBytes <= maximumBytes)
  const all = wanting
    .filter((cataloger) => !able.includes(cataloger))
    .map(({ maximumBytes }): FileFacts => ({
      unknown: `it has ${sizeBytes} bytes; at most ${maximumBytes} are read`,
    }))
  if (able.length === 0) {
    for await (const _chunk of chunks);
    return mergeFacts(all)
  }
  return withContent(chunks, sizeBytes, async (file) => {
    for (const cataloger of able) all.push(await ask(cataloger, path, file))
    return mergeFacts(all)
  })
}

/** A cataloger that breaks on hostile content has not read it: that is reported, and the scan goes on. */
async function ask(cataloger: Cataloger, path: string, file: FileContent): Promise<FileFacts> {
  try {
    return withoutExcess(await cataloger.read(path, file))
  } catch (error) {
    return { unknown: `${cataloger.name} cannot read it: ${(error as Error).message.slice(0, 200)}` }
  }
}

/** What is stored, matched and shown of a package has an end. */
function withoutExcess(facts: FileFacts): FileFacts {
  const packages = facts.packages?.filter((found) =>
    Object.values(found).every(
      (text: string | undefined) => text === undefined || text.length <= maximumText,
    ),
  )
  if (!packages || packages.length === facts.packages?.length) return facts
  const unknown = `a package in it has a name or version longer than ${maximumText} characters`
  return {
    ...facts,
    packages,
    unknown: facts.unknown === undefined ? unknown : `${facts.unknown}; ${unknown}`,
  }
}

function mergeFacts(all: readonly FileFacts[]): FileFacts | undefined {
  const packages = all.flatMap((facts) => facts.packages ?? [])
  const ownedFiles = all.flatMap((facts) => facts.ownedFiles ?? [])
  const unknown = all.flatMap((facts) => facts.unknown ?? []).join('; ')
  const rest = Object.assign({}, ...all) as FileFacts
  if (packages.length + ownedFiles.length + unknown.length === 0 && !rest.operatingSystem) return undefined
  return {
    ...rest,
    ...(packages.length > 0 ? { packages } : {}),
    ...(ownedFiles.length > 0 ? { ownedFiles } : {}),
    ...(unknown === '' ? {} : { unknown }),
  }
}
