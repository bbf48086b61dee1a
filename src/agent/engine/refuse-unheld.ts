import type { LinuxContainerSecurityContext, NamespaceOption } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { UserNamespace } from '../rootless/user-namespace.ts'

/** The engine makes no user namespaces. Who asks for one is not to become root of the machine instead. */
export function refuseUserNamespace(options: NamespaceOption | null | undefined): void {
  const asked = options?.usernsOptions
  if (!asked || asked.mode === 'NODE') return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    'the embedded engine makes no user namespaces; use a containerd 2 or CRI-O behind the agent, or hostUsers: true',
  )
}

/** Throws FAILED_PRECONDITION for confinement that is asked for and would not hold. */
export function refuseUnheld(security: LinuxContainerSecurityContext | null, hasAppArmor: boolean): void {
  refuseUserNamespace(security?.namespaceOptions)
  const { apparmor } = security ?? {}
  if (apparmor?.profileType !== 'Localhost' || hasAppArmor) return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `the AppArmor profile ${apparmor.localhostRef} cannot be used: the kernel of this node has AppArmor not enabled`,
  )
}

/** Throws FAILED_PRECONDITION for a user that the account of the agent has no id for. */
export function refuseUnmapped(
  { ids }: UserNamespace,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): void {
  if (uid < ids && gid < ids) return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `the container is to run as ${uid}:${gid}, and the account of the agent has ${ids === 1 ? 'no subordinate ids' : `${ids} ids`}: give it some (usermod --add-subuids 100000-165535 --add-subgids 100000-165535, and the package uidmap), remove its containers (pratique rm) and start the agent anew; or run the container as root, who is the account itself`,
  )
}
