import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runToEnd, startProduct, type Product } from '../fixtures/start-product.ts'

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

const program = join(import.meta.dirname, '../../bin/pratique')

test('a second server on the same data folder is refused, and the first goes on', async () => {
  const second = await runToEnd(program, ['serve'], {
    PRATIQUE_DATA_DIR: join(product.folder, 'data'),
    PRATIQUE_LISTEN: '127.0.0.1:0',
  })
  assert.equal(second.code, 2)
  assert.match(second.stderr, /another server serves the data folder/)
  assert.equal((await product.api('GET', '/api/v1/users')).status, 200)
})

test('a server that was killed leaves the folder to the next one', async () => {
  await product.restart('SIGKILL')
  assert.equal((await product.api('GET', '/api/v1/users')).status, 200)
})
