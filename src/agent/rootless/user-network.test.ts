import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolversForPod } from './user-network.ts'

test('resolvers on the loopback device are those of the machine, and others stay', () => {
  for (const [text, expected] of [
    ['nameserver 127.0.0.53\noptions edns0\n', 'nameserver 10.0.2.3\noptions edns0\n'],
    ['nameserver ::1\n  nameserver\t127.0.0.1 \n', 'nameserver 10.0.2.3\n  nameserver\t10.0.2.3 \n'],
    ['nameserver 192.0.2.1\nnameserver 2001:db8::1\n', 'nameserver 192.0.2.1\nnameserver 2001:db8::1\n'],
    ['nameserver ::1234\n# nameserver 127.0.0.1\n', 'nameserver ::1234\n# nameserver 127.0.0.1\n'],
  ] as const) {
    assert.equal(resolversForPod(text), expected)
  }
})
