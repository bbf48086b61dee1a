/** Registries as a client sees them: without a server of one's own. */
export { RemoteFailure } from './remote/failures.ts'
export { isSibling, RegistryDoor, type DoorOptions } from './remote/registry-door.ts'
export { fallbackTagOf, RemoteRepository, type RemoteManifest } from './remote/remote-repository.ts'
