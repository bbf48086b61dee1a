import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LinuxContainerSecurityContext } from '../cri/cri-types.ts'
import { refuseAccount } from './refuse-account.ts'

const account = { uid: 5, gid: 6, name: 'agent' }

for (const [image, asked, message] of [
  ['', {}, undefined],
  ['', { runAsUser: { value: 5 }, runAsGroup: { value: 6 } }, undefined],
  ['', { runAsUsername: 'agent' }, undefined],
  // As kubelets pass on what the image says, or does not.
  ['', { runAsUser: { value: 0 } }, undefined],
  ['1000:1000', { runAsUser: { value: 1000 } }, undefined],
  ['www:www', { runAsUsername: 'www' }, undefined],
  ['', { runAsUser: { value: 1000 } }, /agent \(5:6\), and the user 1000 was asked for; leave that out/],
  ['www', { runAsUser: { value: 0 } }, /the user 0/],
  ['1000', { runAsUser: { value: 0 } }, /the user 0/],
  ['', { runAsUsername: 'www' }, /the user www/],
  ['', { runAsUser: { value: 5 }, runAsGroup: { value: 7 } }, /the group 7/],
] as const) {
  const wanted = `${JSON.stringify(asked)} of an image with the user ${JSON.stringify(image)}`
  test(`${wanted} is ${message ? 'refused' : 'taken'}`, () => {
    const refuse = (): void =>
      refuseAccount(asked as unknown as LinuxContainerSecurityContext, image, account)
    if (message) assert.throws(refuse, { code: 'FAILED_PRECONDITION', message })
    else refuse()
  })
}
