import type { LinuxContainerSecurityContext, NamespaceOption } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'

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
