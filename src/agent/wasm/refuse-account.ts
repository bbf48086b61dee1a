import { userInfo } from 'node:os'
import type { LinuxContainerSecurityContext } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'

/** Who runs the agent, and so its modules. */
export interface Account {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

export function ownAccount(): Account {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  try {
    return { uid, gid, name: userInfo().username }
  } catch {
    // It has a number only.
    return { uid, gid, name: String(uid) }
  }
}

/**
 * A module is a process of the agent's own account. Throws FAILED_PRECONDITION for a pod that asks for another. What
 * the image says of its user is no such wish: kubelets pass it on as if the pod had said it, and root for an image
 * that says nothing.
 */
export function refuseAccount(
  security: LinuxContainerSecurityContext | null | undefined,
  imageUser: string,
  account: Account,
): void {
  const [user = ''] = imageUser.split(':')
  const { runAsUser, runAsUsername = '', runAsGroup } = security ?? {}
  const ofImage = /^\d+$/.test(user) ? Number(user) : user === '' ? 0 : undefined
  if (runAsUser && ![account.uid, ofImage].includes(runAsUser.value))
    throw refuse(`the user ${runAsUser.value}`, account)
  if (!['', user, account.name].includes(runAsUsername)) throw refuse(`the user ${runAsUsername}`, account)
  if (runAsGroup && runAsGroup.value !== account.gid) throw refuse(`the group ${runAsGroup.value}`, account)
}

function refuse(asked: string, { name, uid, gid }: Account): CriFailure {
  return new CriFailure(
    'FAILED_PRECONDITION',
    `a module runs by the account of the agent, ${name} (${uid}:${gid}), and ${asked} was asked for; leave that out, or run an agent by that account`,
  )
}
