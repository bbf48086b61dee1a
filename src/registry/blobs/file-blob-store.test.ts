import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { blobStoreContract } from './blob-store.contract.ts'
import { FileBlobStore } from './file-blob-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-blobs-'))
after(() => rmSync(folder, { recursive: true }))

blobStoreContract(() => FileBlobStore.open(mkdtempSync(join(folder, 'store-'))))
